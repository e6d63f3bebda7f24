"""Which revision of an epoch is in force when, in event time: a replay gives every session the theme it had."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from mos_online.themes.router import Router

HELD = 8
"""Routers in memory, those loaded last. Event time moves on, so few are needed at a time."""


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a revision routes sessions.

    Attributes:
        sequence: number in the epoch.
        version: of the router.
        effective_from: it routes the sessions that can close at this event time (ms) or later.
    """

    sequence: int
    version: str
    effective_from: int


class RouterTimeline:
    """The base of an epoch and its revisions by event time.

    A session is routed by the revision of the highest sequence among those whose ``effective_from`` is not after the
    session's watermark, and by the base if there is none.
    """

    def __init__(self, base: Router, revisions: Sequence[InForce], load: Callable[[InForce], Router]) -> None:
        """Load nothing yet.

        Args:
            base: the router that began the epoch.
            revisions: those of the epoch, in any order.
            load: reads the router of a revision; may raise ``ModelError``.
        """
        self.base = base
        self._load = load
        self._routers: OrderedDict[str, Router] = OrderedDict({base.version: base})
        self._use(revisions)

    @property
    def epoch(self) -> str:
        """Of all its routers."""
        return self.base.epoch

    @property
    def newest_from(self) -> int:
        """From when on (ms) the newest revision routes; 0 if there is none."""
        return self._begins[-1] if self._begins else 0

    def at(self, event_time: int) -> Router:
        """The router for the sessions that could close at ``event_time`` (ms).

        Raises:
            ModelError: its revision has not been loaded, and cannot be.
        """
        revision = self._in_force(event_time)
        if revision is None:
            return self.base
        return self._routers.get(revision.version) or self.load(revision)

    def newest(self) -> Router:
        """The router of the newest revision, which the service answers with; the base if there is none.

        Raises:
            ModelError: as ``at``.
        """
        return self.at(self.newest_from)

    def missing(self, event_times: Iterable[int]) -> list[InForce]:
        """The revisions that are in force at these times (ms) and have not been loaded."""
        needed = dict.fromkeys(map(self._in_force, event_times))
        return [one for one in needed if one is not None and one.version not in self._routers]

    def load(self, revision: InForce) -> Router:
        """Load the router of a revision.

        Raises:
            ModelError: that cannot be done.
        """
        router = self._load(revision)
        self._routers[router.version] = router
        while len(self._routers) > HELD:
            self._routers.popitem(last=False)
        return router

    def _in_force(self, event_time: int) -> InForce | None:
        place = bisect_right(self._begins, event_time)
        return self._revisions[place - 1] if place else None

    def updated(self, revisions: Sequence[InForce]) -> RouterTimeline:
        """The timeline of these revisions; routers that this one has loaded are not loaded again."""
        twin = RouterTimeline(self.base, revisions, self._load)
        twin._routers |= self._routers
        return twin

    def _use(self, revisions: Sequence[InForce]) -> None:
        """Keep those that are ever in force: one that begins no earlier than a later one never is."""
        kept: list[InForce] = []
        for one in sorted(revisions, key=lambda one: one.sequence):
            while kept and kept[-1].effective_from >= one.effective_from:
                kept.pop()
            kept.append(one)
        self._revisions = kept
        self._begins = [one.effective_from for one in kept]
