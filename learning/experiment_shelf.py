"""What is in force, from the registry, and what the learner changes of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from mos_online.errors import RegistryError
from mos_online.experiments.in_force import InForce
from mos_online.registry.experiments import ExperimentHistory, ExperimentsFollower

LOOK = 1.0
"""Seconds between two looks at the registry."""


class RegistryShelf:
    """The shelf of the learner's part that counts experiments (``mos_online.experiments.shelf``)."""

    def __init__(
        self, history: ExperimentHistory, promote: Callable[[str], object], *, now: Callable[[], float] = time.time
    ) -> None:
        """Nothing is read yet.

        Args:
            history: of the registry.
            promote: tries a version of the model and puts it into service; raises ModelError if it cannot serve.
            now: gives seconds since 1970 UTC.
        """
        self._history = history
        self._promote = promote
        self._follower = ExperimentsFollower(history, every=LOOK)
        self._now = now

    def in_force(self) -> InForce:
        """See ``ExperimentShelf``.

        Raises:
            RegistryError: nothing can be read, and nothing was read before.
        """
        self._follower.poll()
        if self._follower.problem is not None and not self._follower.found.revision:
            raise RegistryError(self._follower.problem)
        return self._follower.found.in_force

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
