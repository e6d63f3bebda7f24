"""Follows the revisions of the router that an arm is served with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError, RegistryError
from mos_online.experiments.treatment import CHAMPION
from mos_online.recommend.recommender import Recommender
from mos_online.themes.updates import revision_of
from serving.scoring.profiles import Profiles

log = logging.getLogger(__name__)

RETRY = 10.0
"""Seconds until a revision whose rows could not be fetched is tried again."""

ReadRevision = Callable[[str, int], RouterUpdate]
"""Reads a revision with all its rows, by epoch and sequence; raises ModelError."""


class Revisions:
    """Brings a recommender to the newest revision of its epoch; called by the thread that refreshes.

    A revision that is damaged, or of another epoch than the model, changes nothing.

    Attributes:
        problem: why the newest revision is not used; None if it is, or there is none.
    """

    def __init__(self, profiles: Profiles, read: ReadRevision, *, arm: str = CHAMPION) -> None:
        """Nothing is read yet."""
        self.problem: str | None = None
        self._profiles = profiles
        self._read = read
        self._arm = arm
        self._update: RouterUpdate | None = None
        self._tried: tuple[str, int] | None = None
        self._next_try = float("inf")

    def look(self, recommender: Recommender) -> Recommender | None:
        """Return the recommender under the newest revision if that is another one. Never raises ModelError."""
        stamp = self._profiles.router_stamp(self._arm)
        if stamp is None or (stamp == self._tried and time.monotonic() < self._next_try):
            return None
        update = self._profiles.router(self._arm)
        if update is None:
            return None
        self._tried, self._next_try = (update.epoch, update.sequence), float("inf")
        self._update = update
        revised = self.applied(recommender)
        return None if revised is recommender else revised

    def applied(self, recommender: Recommender) -> Recommender:
        """The recommender under the revision that was seen last, where that is newer; else the recommender itself."""
        update = self._update
        if update is None or update.epoch != recommender.router.epoch:
            return recommender
        if update.sequence <= recommender.router.sequence:
            return recommender
        try:
            whole = update if update.artefact is None else self._read(update.epoch, update.sequence)
            revised = recommender.revised(revision_of(recommender.base, whole))
        except ModelError as error:
            if str(error) != self.problem:
                log.error("staying with router %s: %s", recommender.router_version, error)
            self.problem = str(error)
            if isinstance(error, RegistryError):
                self._next_try = time.monotonic() + RETRY
            return recommender
        self.problem = None
        log.info("revision %d of router %s in service", update.sequence, update.epoch)
        return revised
