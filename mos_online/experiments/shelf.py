"""What is in force, as it is seen by what counts the users of experiments and acts on what they show."""

from __future__ import annotations

from typing import Protocol

from mos_online.experiments.in_force import InForce


class ExperimentShelf(Protocol):
    """Where it is kept what is in force. Its methods raise a MosError if that cannot be read or written."""

    def in_force(self) -> InForce:
        """What is in force; costs nothing between two looks."""
        ...

    def roll_back(self, experiment: str, version: int, arm: str, why: str) -> None:
        """Have the control answer the users of an arm from now on; nothing happens if it does already."""
        ...

    def ship(self, experiment: str, version: int, arm: str, why: str) -> None:
        """Put the model of an arm into service and end the experiment; nothing happens if it does not run any more."""
        ...

    def stop(self, experiment: str, version: int, why: str) -> None:
        """End an experiment; nothing happens if this version of it does not run any more."""
        ...
