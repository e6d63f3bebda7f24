"""What was measured in a simulation of several ways of serving, on the very same requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.metrics import Estimate, clustered_mean
from mos_online.metrics.agreement import mutual_information


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Columns of n requests and m sessions, of s ways of serving; times are in ms since the start.

    Attributes:
        names: of the ways of serving.
        shown: the number of the one whose lists the users saw.
        time, user: int64 (n,), of each request, in the order in which they were answered.
        clicks: int64 (n,), on the list that was shown.
        ndcg: float64 (n, s), of each way's list, with the true relevance as gain.
        worth: float64 (n, s), clicks to be expected on each way's list, if the user sees it.
        closed: int64 (m,), when each session was complete.
        ring: int64 (m,), on which its user was.
        themes: int64 (m, s), that each way gave it.
    """

    names: list[str]
    shown: int
    time: Ints
    user: Ints
    clicks: Ints
    ndcg: Floats
    worth: Floats
    closed: Ints
    ring: Ints
    themes: Ints

    def quality(self, way: int, begin: int, end: int) -> Estimate:
        """The mean NDCG of a way's lists between two times (ms), with an interval over users."""
        of = self._within(begin, end)
        return clustered_mean(self.ndcg[of, way].tolist(), self.user[of].tolist())

    def gain(self, way: int, other: int, begin: int, end: int) -> Estimate:
        """How much NDCG a way has more than another one on the same requests, with an interval over users."""
        of = self._within(begin, end)
        return clustered_mean((self.ndcg[of, way] - self.ndcg[of, other]).tolist(), self.user[of].tolist())

    def lift(self, way: int, other: int, window: int) -> float:
        """How many more clicks the lists of a way are worth than those of another one, as a share of these.

        Args:
            way, other: numbers of ways of serving.
            window: of each user, only requests count that come less than so many ms after the first one.
        """
        begun = np.full(int(self.user.max()) + 1, -1)
        begun[self.user[::-1]] = self.time[::-1]  # the first one is written last
        inside = self.time - begun[self.user] < window
        worth = self.worth[inside].sum(axis=0)
        return float(worth[way] / worth[other] - 1)

    def agreement(self, way: int, begin: int, end: int) -> float:
        """Normalised mutual information of a way's themes and the true rings, of sessions closed between two times.

        nan if no session was.
        """
        of = (self.closed >= begin) & (self.closed < end)
        return mutual_information(self.themes[of, way], self.ring[of]) if of.any() else float("nan")

    def _within(self, begin: int, end: int) -> slice:
        first, last = np.searchsorted(self.time, [begin, end])
        return slice(int(first), int(last))


def regained(online: float, frozen: float, oracle: float) -> float:
    """The share of what a drift has cost that was regained: (online - frozen) / (oracle - frozen).

    >>> regained(0.9, 0.5, 1.0)
    0.8
    """
    return (online - frozen) / (oracle - frozen) if oracle != frozen else float("nan")
