"""Where the learner's part for the router puts its revisions in a simulation: straight into service."""

from __future__ import annotations

from collections import Counter

from mos_online.contracts import LearningEvent, RouterUpdate
from mos_online.learning.router_part import RouterPart, RouterSchedule
from mos_online.themes import Router
from mos_online.themes.updates import revision_of
from simulator.loop.served import Served


class SimulatedShelf:
    """Takes the place of the registry, the store and the topic ``router-updates``; see ``RouterShelf``.

    Attributes:
        told: how often what was decided: ``promoted`` or ``refused``.
    """

    def __init__(self, served: Served) -> None:
        """Hold the router of the model, and put revisions of it into service there."""
        self.told: Counter[str] = Counter()
        self._served, self._base = served, served.recommender.router
        self._newest: RouterUpdate | None = None

    def base(self) -> Router:
        """The router of the model."""
        return self._base

    def newest(self, epoch: str) -> RouterUpdate | None:
        """The last revision; there is one epoch."""
        del epoch
        return self._newest

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """Remember a revision."""
        self._newest = update
        return update

    def announce(self, update: RouterUpdate) -> None:
        """Put a revision into service."""
        if update.sequence != self._served.recommender.router.sequence:
            self._served.use(revision_of(self._base, update))

    def tend(self) -> None:
        """Nothing is on its way."""

    def tell(self, event: LearningEvent) -> None:
        """Count what was decided."""
        self.told[event.kind] += 1


def revise_by(served: Served, *, every: int = 250) -> SimulatedShelf:
    """Let the learner's part for the router revise the router of a way of serving.

    Args:
        served: gets the part, and its revisions.
        every: sessions between two revisions.

    Returns:
        Where the revisions go; it counts them.
    """
    shelf = SimulatedShelf(served)
    served.parts.append(RouterPart(shelf, schedule=RouterSchedule(every=every, soon=min(every, 100))))
    return shelf
