"""A part that only remembers: the sessions of a simulation, for what is computed after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mos_online.learning.part import Alarm, LearningBatch
from mos_online.themes.visits import Visit, visit_of


class KeptVisits:
    """Keeps all sessions.

    Attributes:
        visits: in the order of event time.
    """

    name, horizon = "kept-visits", 0

    def __init__(self) -> None:
        self.visits: list[Visit] = []

    def take(self, batch: LearningBatch) -> None:
        """Keep them."""
        self.visits += map(visit_of, batch.sessions)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Do nothing."""
        del event_time
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, object]:
        """How many there are."""
        return {"visits": len(self.visits)}
