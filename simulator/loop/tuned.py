"""Fine-tunes the model of one way of serving while users are simulated, and puts it straight into service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mos_online.contracts import EventTypes, Session
from mos_online.errors import DatasetError
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.fine_tuning.cycle import fine_tune
from mos_online.fine_tuning.earlier import earlier_sessions
from mos_online.fine_tuning.history import History
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from simulator.loop.served import Served

EARLIER = 400_000
"""Events of histories, at most about so many, as the learner's process."""


class SimulatedFineTuning:
    """Takes the place of the learner's process: the same data, gate and promotion, in a registry of its own.

    Attributes:
        registry: of this way of serving; revisions of its router belong there, too.
        told: how often a fine-tuning was ``promoted``, ``refused`` or ``skipped``, for which too little had happened.
    """

    name, horizon = "fine-tuning", 0

    def __init__(
        self,
        served: Served,
        model: Path,
        folder: Path,
        *,
        every: int,
        types: EventTypes,
        gap_ms: int,
        config: FineTuneConfig,
    ) -> None:
        """Begin with a model.

        Args:
            served: serves with it, and gets what is promoted.
            model: the folder of the model.
            folder: for the registry and the history.
            every: ms of event time from one fine-tuning to the next.
            types, gap_ms: the rules of the sessions.
            config: limits.
        """
        self.registry = Registry(folder / "models")
        self.registry.promote(self.registry.add(model), lambda _: None)
        self.told: Counter[str] = Counter()
        self._served, self._history, self._every = served, History(folder), every
        self._types, self._gap_ms, self._config = types, gap_ms, config
        self._sessions: list[Session] = []
        self._due: int | None = None

    def take(self, batch: LearningBatch) -> None:
        """Keep the sessions."""
        self._sessions += batch.sessions
        if self._due is None:
            self._due = batch.event_time + self._every

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Fine-tune, if it is time to."""
        if self._due is not None and event_time >= self._due:
            self._due += self._every
            self._tune()
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Alarms start nothing here: the simulation has its own times."""

    def status(self) -> Mapping[str, object]:
        """What became of them."""
        return dict(self.told)

    def _tune(self) -> None:
        try:
            found = fine_tune(
                self.registry,
                self._sessions,
                self._history,
                types=self._types,
                gap_ms=self._gap_ms,
                config=self._config,
                why="the simulation has come so far",
                earlier=self._earlier(),
            )
        except DatasetError:
            self.told["skipped"] += 1
            return
        self.told[found.result] += 1
        if found.result == "promoted":
            self._served.promote(Recommender.load(self.registry.fetch("champion"), gap_ms=self._gap_ms))

    def _earlier(self) -> list[Session]:
        """What the profiles knew before the simulation."""
        if not self._sessions:
            return []
        users = dict.fromkeys(session.user_id for session in self._sessions)
        profiles = (self._served.profiles[user] for user in users if user in self._served.profiles)
        return earlier_sessions(profiles, self._sessions, self._types, events=EARLIER)
