"""Where the learner's part for the router puts its revisions in a simulation: straight into service."""

from __future__ import annotations

from collections import Counter

from mos_online.contracts import LearningEvent, RouterUpdate
from mos_online.learning.arm_router import RouterRules, RouterSchedule
from mos_online.learning.router_part import RouterPart
from mos_online.registry import Registry
from mos_online.themes import Router
from mos_online.themes.updates import revision_of
from simulator.loop.served import Served


class SimulatedShelf:
    """Takes the place of the registry, the store and the topic ``router-updates``; see ``RouterShelf``.

    Attributes:
        told: how often what was decided: ``promoted`` or ``refused``.
    """

    def __init__(self, served: Served, registry: Registry | None = None) -> None:
        """Hold the router of the model, and put revisions of it into service there.

        Args:
            served: gets them.
            registry: gets them, too, if something reads them there.
        """
        self.told: Counter[str] = Counter()
        self._served, self._base = served, served.recommender.router
        self._newest: RouterUpdate | None = None
        self._registry = registry

    def base(self, model: str | None) -> Router:
        """The router of the model; there is one."""
        del model
        return self._base

    def newest(self, epoch: str, arm: str) -> RouterUpdate | None:
        """The last revision; there is one epoch, and one arm."""
        del epoch, arm
        return self._newest

    def keep(self, update: RouterUpdate) -> RouterUpdate:
        """Remember a revision."""
        self._newest = update
        if self._registry is not None:
            self._registry.routers(update.epoch, update.arm).add(update)
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


def revise_by(served: Served, *, every: int = 250, registry: Registry | None = None) -> SimulatedShelf:
    """Let the learner's part for the router revise the router of a way of serving.

    Args:
        served: gets the part, and its revisions.
        every: sessions between two revisions.
        registry: see ``SimulatedShelf``.

    Returns:
        Where the revisions go; it counts them.
    """
    shelf = SimulatedShelf(served, registry)
    rules = RouterRules(schedule=RouterSchedule(every=every, soon=min(every, 100)))
    served.parts.append(RouterPart(shelf, rules=rules))
    return shelf
