"""What is in force, from the registry, and what the learner changes of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from learning.experiments_in_force import ExperimentsInForce
from mos_online.experiments.in_force import InForce
from mos_online.registry.experiments import ExperimentHistory


class RegistryShelf:
    """The shelf of the learner's part that counts experiments (``mos_online.experiments.shelf``)."""

    def __init__(
        self,
        history: ExperimentHistory,
        in_force: ExperimentsInForce,
        promote: Callable[[str], object],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Change what is in force.

        Args:
            history: of the registry.
            in_force: follows the registry, for all parts.
            promote: tries a version of the model and puts it into service; raises ModelError if it cannot serve.
            now: gives seconds since 1970 UTC.
        """
        self._history = history
        self._in_force = in_force
        self._promote = promote
        self._now = now

    def in_force(self) -> InForce:
        """See ``ExperimentShelf``."""
        return self._in_force.found()

    def roll_back(self, experiment: str, version: int, arm: str, why: str) -> None:
        """See ``ExperimentShelf``."""
        running = self._history.read().in_force.named(experiment)
        if running is not None and running.version == version and not running.is_rolled_back(arm):
            self._history.roll_back(experiment, version, arm, why, now=self._milliseconds())

    def ship(self, experiment: str, version: int, arm: str, why: str) -> None:
        """See ``ExperimentShelf``. The model is tried first."""
        running = self._history.read().in_force.named(experiment)
        if running is None or running.version != version:
            return
        model = running.models[running.arm(arm).model or ""]
        self._promote(model)
        self.stop(experiment, version, f"{arm} was put into service: {why}")

    def stop(self, experiment: str, version: int, why: str) -> None:
        """See ``ExperimentShelf``."""
        running = self._history.read().in_force.named(experiment)
        if running is not None and running.version == version:
            self._history.stop([experiment], why, now=self._milliseconds())

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)
