"""Which positions of the learner's log are learned from, which are replayed, and by which a candidate is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Ints
from mos_online.errors import DatasetError
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.training.click_log import ClickLog

DAY = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Window:
    """Positions of a ``ClickLog``, each int64 and in order of time.

    Attributes:
        new: since the champion learned last: they are learned.
        mixing: the next ones, before the border: the weights of neighbours are learned on them, then they are learned.
        replayed: older ones: they are learned again, so that they are not forgotten.
        held_out: from the border on, never learned from.
        earlier: older ones that are not replayed: what must not be forgotten.
        border: event time (ms) from which on nothing is learned.
    """

    new: Ints
    mixing: Ints
    replayed: Ints
    held_out: Ints
    earlier: Ints
    border: int

    @property
    def learned(self) -> Ints:
        """What is learned first, in order of time."""
        return np.concatenate([self.replayed, self.new])


def choose_window(log: ClickLog, themes: Ints, *, learned_to: int | None, config: FineTuneConfig) -> Window:
    """Choose the positions.

    Args:
        log: of the learner.
        themes: int64 (n,), theme 0..K of each position's session.
        learned_to: the champion has learned what came before this event time (ms); None: it has learned nothing here.
        config: shares and limits.

    Raises:
        DatasetError: too little has happened since then.
    """
    times = log.times[log.order]
    begin = int(np.searchsorted(times, learned_to)) if learned_to is not None else 0
    if begin >= len(times):
        raise DatasetError("nothing has happened since the champion learned")
    span = int(times[-1]) + 1 - int(times[begin])
    border = int(times[-1]) + 1 - max(int(config.held_out * span), 1)
    middle = int(np.searchsorted(times, border))
    held_out = _spread(log.order[middle:], config.most)
    new = log.order[begin:middle]
    if min(len(held_out), len(new)) < config.fewest:
        raise DatasetError(
            f"too little has happened since the champion learned: {len(new)} clicks to learn from and {len(held_out)} "
            f"to judge by; {config.fewest} of each are needed"
        )
    most_old = int(config.replay * config.examples)
    old = log.order[int(np.searchsorted(times, times[begin] - config.replay_days * DAY)) : begin]
    wanted = min(most_old, round(len(new) * config.replay / (1 - config.replay)))
    chosen = _stratified(themes[old], wanted, config.seed)
    new = new[-(config.examples - int(chosen.sum())) :]
    mixing = min(len(new) // 10, config.most // 5)
    return Window(
        new=new[: len(new) - mixing],
        mixing=new[len(new) - mixing :],
        replayed=old[chosen],
        held_out=held_out,
        earlier=_spread(old[~chosen], config.most // 5),
        border=border,
    )


def _spread(positions: Ints, most: int) -> Ints:
    """At most so many of them, evenly spread."""
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]


def _stratified(themes: Ints, wanted: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark about so many positions, of every theme as many as of the others, as far as it has them."""
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(themes), np.bool_)
    left = wanted
    names, counts = np.unique(themes, return_counts=True)
    for nth, place in enumerate(np.argsort(counts, kind="stable")):
        share = min(int(counts[place]), left // (len(names) - nth))
        of_theme = np.flatnonzero(themes == names[place])
        chosen[generator.choice(of_theme, share, replace=False)] = True
        left -= share
    return chosen
