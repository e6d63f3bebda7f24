"""Three ranges of time that do not overlap, checked when it counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Ints
from mos_online.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Where the log is cut, as quantiles of the events.

    Attributes:
        router: routing is learned from the events before this; the examples of training come after.
        train: training examples come before this, validation after.
        validation: validation before this, test after.
        examples, judged, tested: at most so many positions to train on, validate on and test on.
        history: a position is judged if its user has at least so many events before it. To learn from, one is enough.
    """

    router: float = 0.5
    train: float = 0.8
    validation: float = 0.9
    examples: int = 200_000
    judged: int = 3_000
    tested: int = 6_000
    history: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.router < self.train < self.validation < 1:
            raise DatasetError(
                f"the cuts must ascend inside (0, 1), got router={self.router}, train={self.train}, "
                f"validation={self.validation}"
            )


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions of a log, each range in order of time.

    Attributes:
        train, validation, test: int64, positions in the ``SequenceLog``.
        borders: times (ms) of the three cuts: train in [borders[0], borders[1]), validation in [borders[1],
            borders[2]), test from borders[2] on.
    """

    train: Ints
    validation: Ints
    test: Ints
    borders: tuple[int, int, int]

    def check(self, times: Ints) -> None:
        """Raises DatasetError unless each range lies in its own span of time; ``times``: of the log's positions."""
        begin, middle, end = self.borders
        spans = ((self.train, begin, middle), (self.validation, middle, end), (self.test, end, None))
        for part, since, until in spans:
            found = times[part]
            if len(found) == 0:
                raise DatasetError(
                    f"no position lies between {since} and {until} ms: the log is too short to compare on"
                )
            if found.min() < since or (until is not None and found.max() >= until):
                raise DatasetError(
                    f"positions of {found.min()} to {found.max()} ms leave their range {since} to {until}"
                )


def split(times: Ints, before: Ints, users: Ints, config: SplitConfig, *, order: Ints, seed: int = 0) -> Split:
    """Choose the positions to train on, to validate on and to test on.

    Training positions are the newest ones before validation, as a service would train; validation and test positions
    are those of randomly chosen users, so that each user's are complete.

    Args:
        times: int64 (n,), ms.
        before: int64 (n,), events of the same user before each position.
        users: int64 (n,), user numbers.
        config: where and how many.
        order: int64 (n,), the positions in order of time, equal times as the log has them.
        seed: of the choice of users.

    Raises:
        DatasetError: a range is empty.
    """
    cuts = np.quantile(times, (config.router, config.train, config.validation), method="higher").astype(np.int64)
    borders = (int(cuts[0]), int(cuts[1]), int(cuts[2]))
    enough = order[before[order] >= config.history]
    when, ordered = times[enough], times[order]
    learned = order[(ordered >= borders[0]) & (ordered < borders[1]) & (before[order] >= 1)]
    rank = np.random.default_rng(seed).permutation(int(users.max(initial=0)) + 1)
    made = Split(
        train=learned[-config.examples :],
        validation=whole_users(enough[(when >= borders[1]) & (when < borders[2])], users, rank, config.judged),
        test=whole_users(enough[when >= borders[2]], users, rank, config.tested),
        borders=borders,
    )
    made.check(times)
    return made


def whole_users(positions: Ints, users: Ints, rank: Ints, most: int) -> Ints:
    """The positions of the first users by ``rank`` that together have at most ``most`` of them."""
    if len(positions) <= most:
        return positions
    counts = np.bincount(rank[users[positions]], minlength=len(rank))
    last = int(np.searchsorted(np.cumsum(counts), most, side="right"))
    return positions[rank[users[positions]] < max(last, 1)]
