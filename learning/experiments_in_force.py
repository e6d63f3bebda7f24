"""The experiments in force, for all parts of the learner: what one part has seen, the others have seen, too."""

from __future__ import annotations

from mos_online.errors import RegistryError
from mos_online.experiments.in_force import InForce
from mos_online.experiments.treatment import NO_EXPERIMENTS, Treatments
from mos_online.registry.experiments import ExperimentHistory, ExperimentsFollower

LOOK = 0.5
"""Seconds between two looks at the registry."""


class ExperimentsInForce:
    """Follows the registry; what was in force holds while the registry is away."""

    def __init__(self, history: ExperimentHistory) -> None:
        """Look now, so that nothing is learned for the wrong arm at the start.

        Raises:
            RegistryError: it cannot be read what is in force. Nobody may learn then: users of an arm would teach the
                champion.
        """
        self._follower = ExperimentsFollower(history, every=LOOK)
        self._of: InForce | None = None
        self._treatments = NO_EXPERIMENTS
        self._follower.poll()
        if self._follower.problem is not None and not self._follower.found.revision:
            raise RegistryError(f"nothing is learned until the experiments can be read: {self._follower.problem}")

    def found(self) -> InForce:
        """The same object until something else is in force; costs nothing between two looks."""
        self._follower.poll()
        return self._follower.found.in_force

    def treatments(self) -> Treatments:
        """Who gets what; the same object until something else is in force."""
        found = self.found()
        if found is not self._of:
            self._of, self._treatments = found, Treatments(found)
        return self._treatments
