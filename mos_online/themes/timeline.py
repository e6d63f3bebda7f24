"""Which revision of an epoch is in force when, in event time: a replay gives every session the theme it had."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from mos_online.themes.router import Router

HELD = 4
"""Routers in memory, those used last. Event time moves on, so few are needed at a time."""


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
    def newest(self) -> int:
        """The highest sequence; 0 if there is no revision."""
        return self._newest

    def at(self, event_time: int) -> Router:
        """The router for the sessions that could close at ``event_time`` (ms).

        Raises:
            ModelError: its revision cannot be loaded.
        """
        if (place := bisect_right(self._begins, event_time)) == 0:
            return self.base
        return self._router(self._revisions[place - 1])

    def updated(self, revisions: Sequence[InForce], loaded: Router | None = None) -> RouterTimeline:
        """The timeline of these revisions; routers that this one has loaded are not loaded again.

        Args:
            revisions: all of the epoch.
            loaded: the router of one of them, if it is at hand.
        """
        twin = RouterTimeline(self.base, revisions, self._load)
        twin._routers |= self._routers
        if loaded is not None:
            twin._hold(loaded)
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
        self._newest = max((one.sequence for one in revisions), default=0)

    def _router(self, revision: InForce) -> Router:
        router = self._routers.get(revision.version)
        if router is None:
            router = self._load(revision)
            self._hold(router)
        return router

    def _hold(self, router: Router) -> None:
        self._routers[router.version] = router
        self._routers.move_to_end(router.version)
        while len(self._routers) > HELD:
            self._routers.popitem(last=False)
