"""Follows the model in service, also while there is none yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from mos_online.errors import ModelError
from mos_online.recommend.recommender import Recommender
from mos_online.registry import RegistryFollower
from mos_online.registry.follower import Followed

log = logging.getLogger(__name__)

RETRY = 10.0
"""Seconds until a version that could not be loaded is tried again while there is no other."""

KEEP = 600.0
"""Seconds for which the version before stays loaded: what harms is noticed within minutes, and taken back at once."""


class ModelInService:
    """Loads the first model once there is one, and each later one as ``RegistryFollower`` does.

    Attributes:
        problem: why there is no model, or not the one that is in service; None if all is well.
    """

    def __init__(self, registry: Followed, load: Callable[[Path], Recommender], *, every: float) -> None:
        """Look at the registry at most every so many seconds."""
        self._every = every
        self._registry = registry
        self._load = load
        self._follower: RegistryFollower[Recommender] | None = None
        self._tried: tuple[str, str] | None = None
        self._next_try = 0.0
        self.problem: str | None = None

    def poll(self) -> Recommender | None:
        """Return the model if another one has gone into service since the last call. Never raises ModelError."""
        changed = self._first() if self._follower is None else self._follower.poll()
        if self._follower is None:
            return None
        self.problem = self._follower.problem
        return self._follower.loaded if changed else None

    def _first(self) -> bool:
        try:
            found = self._registry.champion()
            if found == self._tried and time.monotonic() < self._next_try:
                return False
            self._tried, self._next_try = found, time.monotonic() + RETRY
            self._follower = RegistryFollower(self._registry, self._load, every=self._every, keep=KEEP)
        except ModelError as error:
            if str(error) != self.problem:
                log.warning("waiting for a model: %s", error)
            self.problem = str(error)
            return False
        return True
