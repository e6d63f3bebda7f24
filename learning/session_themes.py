"""The themes of sessions, by the router that began the epoch in service."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from mos_online.contracts import Session, actions_of, category_of
from mos_online.errors import ModelError
from mos_online.registry import RegistryFollower
from mos_online.registry.follower import Followed
from mos_online.themes import Router, load_router

log = logging.getLogger(__name__)


class SessionThemes:
    """Routes by one router for as long as its epoch is in service.

    Revisions of a router move sessions between themes. If they were followed, each revision would look like a drift.
    """

    def __init__(self, registry: Followed, *, every: float = 1.0) -> None:
        """Look up the model in service every so many seconds; there need not be one yet."""
        self._registry = registry
        self._every = every
        self._next_look = float("-inf")
        self._follower: RegistryFollower[Router] | None = None
        self._router: Router | None = None
        self._problem: str | None = None

    def follow(self) -> tuple[str, int] | None:
        """The epoch and its number of themes, if another one has come into service since the last call."""
        if self._follower is None:
            if not self._begin():
                return None
        else:
            self._follower.poll()
        assert self._follower is not None  # noqa: S101 - it has begun
        newest = self._follower.loaded
        if self._router is not None and newest.epoch == self._router.epoch:
            return None
        self._router = newest
        return newest.epoch, newest.n_themes

    def _begin(self) -> bool:
        """Look for a first model; whether there is one."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + self._every
        try:
            self._follower = RegistryFollower(self._registry, load_router, every=self._every)
        except ModelError as error:
            if str(error) != self._problem:
                log.warning("themes are not watched: %s", error)
            self._problem = str(error)
            return False
        return True

    def of(self, sessions: Sequence[Session]) -> list[int] | None:
        """The theme of each session; None without a router."""
        if self._router is None:
            return None
        actions = [actions_of(session) for session in sessions]
        kept = [events for events in actions if events]
        flat = [event for events in kept for event in events]
        themes = iter(
            self._router.session_themes(
                [event.item_id for event in flat], [category_of(event) for event in flat], [len(e) for e in kept]
            )
        )
        return [next(themes) if events else 0 for events in actions]
