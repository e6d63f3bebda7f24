"""What was found at the looks so far, thinned out, for a plot over time."""

from __future__ import annotations

import msgspec

from mos_online.experiments.contrast import Estimate

MOST = 400
"""Looks that are kept; with more, every second one goes, and from then on half as many are kept."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look.

    Attributes:
        at: event time, ms.
        exposed: users of all arms.
        evidence: natural logarithm of the e-value against the planned split.
        arms: the primary metric of each arm.
    """

    at: int
    exposed: int
    evidence: float
    arms: dict[str, Estimate]


class Looks(msgspec.Struct, kw_only=True):
    """The looks of an experiment.

    Attributes:
        made: how many there were.
        stride: every so many of them is kept.
        kept: these.
        last: the last one, kept or not.
    """

    made: int = 0
    stride: int = 1
    kept: list[Look] = []
    last: Look | None = None

    def add(self, look: Look) -> None:
        """Note a look."""
        self.last = look
        if self.made % self.stride == 0:
            self.kept.append(look)
        self.made += 1
        if len(self.kept) > MOST:
            self.kept = self.kept[::2]
            self.stride *= 2

    def series(self) -> list[Look]:
        """The looks that are kept, and the last one."""
        ends_with = bool(self.kept) and self.last == self.kept[-1]
        return self.kept if self.last is None or ends_with else [*self.kept, self.last]
