"""Follows the revisions of the router, of each arm that has some."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError, RegistryError
from mos_online.recommend.recommender import Recommender
from mos_online.themes.updates import revision_of
from serving.scoring.profiles import Profiles

log = logging.getLogger(__name__)

RETRY = 10.0
"""Seconds until a revision whose rows could not be fetched is tried again."""

ReadRevision = Callable[[RouterUpdate], RouterUpdate]
"""Reads a revision with all its rows, of one that names only their file; raises ModelError."""


@dataclass
class _Seen:
    """What is known of one arm.

    Attributes:
        tried: epoch and sequence of the revision that was read.
        update: that revision.
        next_try: when it is worth another try although it has not changed.
        problem: why it is not used.
    """

    tried: tuple[str, int]
    update: RouterUpdate
    next_try: float = field(default=float("inf"))
    problem: str | None = None


class Revisions:
    """Brings recommenders to the newest revision of their arm and epoch; called by the thread that refreshes.

    A revision that is damaged, or of another epoch than the model, changes nothing.
    """

    def __init__(self, profiles: Profiles, read: ReadRevision) -> None:
        """Nothing is read yet."""
        self._profiles = profiles
        self._read = read
        self._seen: dict[str, _Seen] = {}

    def look(self, arms: Set[str]) -> set[str]:
        """Look for revisions of these arms, and return the arms that have another one. Never raises ModelError.

        What is known of other arms is forgotten: their experiments have ended.
        """
        for gone in self._seen.keys() - arms:
            del self._seen[gone]
        changed: set[str] = set()
        stamps = self._profiles.router_stamps(sorted(arms)) or {}
        for arm, stamp in stamps.items():
            seen = self._seen.get(arm)
            if seen is not None and stamp == seen.tried and time.monotonic() < seen.next_try:
                continue
            update = self._profiles.router(arm)
            if update is not None:
                self._seen[arm] = _Seen((update.epoch, update.sequence), update)
                changed.add(arm)
        return changed

    def applied(self, arm: str, recommender: Recommender) -> Recommender:
        """The recommender under the arm's revision that was seen last, where that is newer; else the recommender."""
        seen = self._seen.get(arm)
        if seen is None or seen.update.epoch != recommender.router.epoch:
            return recommender
        update = seen.update
        if update.sequence <= recommender.router.sequence:
            return recommender
        try:
            whole = update if update.artefact is None else self._read(update)
            revised = recommender.revised(revision_of(recommender.base, whole))
        except ModelError as error:
            if str(error) != seen.problem:
                log.error("staying with router %s: %s", recommender.router_version, error)
            seen.problem = str(error)
            if isinstance(error, RegistryError):
                seen.next_try = time.monotonic() + RETRY
            return recommender
        log.info("revision %d of router %s in service for %s", update.sequence, update.epoch, arm)
        return revised
