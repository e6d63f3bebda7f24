"""The experiments in force, for the parts of the learner."""

from __future__ import annotations

from mos_online.experiments.treatment import NO_EXPERIMENTS, Treatments
from mos_online.registry import Registry
from mos_online.registry.experiments import ExperimentsFollower

LOOK = 0.5
"""Seconds between two looks at the registry."""


class TreatmentsInForce:
    """Who gets what; what was in force holds while the registry is away."""

    def __init__(self, registry: Registry) -> None:
        """Look now, so that nothing is learned for the wrong arm at the start."""
        self._follower = ExperimentsFollower(registry.experiments(), every=LOOK)
        self._treatments = NO_EXPERIMENTS
        self()

    def __call__(self) -> Treatments:
        """The same object until something else is in force; costs nothing between two looks."""
        if self._follower.poll():
            self._treatments = Treatments(self._follower.found.in_force)
        return self._treatments
