"""Users who are divided into the arms of an experiment, each of which sees the lists of one way of serving."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mos_online.contracts import Assignment, EventTypes
from mos_online.errors import SettingsError
from mos_online.experiments.assignment import BUCKETS, assigned
from mos_online.experiments.counting import Counting
from mos_online.experiments.plan import ArmPlan, ExperimentPlan
from mos_online.experiments.reading import split_of
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.trials import Trials
from mos_online.feedback.rules import JoinRules
from mos_online.learning.part import LearningBatch
from mos_online.sessions import SessionConfig
from simulator.loop.served import Served

EVER = 1 << 50
"""Later than all event times, ms."""


class Divided:
    """The experiment: assignment, what each arm learns from, and the analysis, by the code of the system."""

    def __init__(
        self,
        served: Sequence[Served],
        *,
        window: str,
        duration: str,
        sessions: SessionConfig,
        rules: JoinRules,
        seed: int,
    ) -> None:
        """Divide the users evenly; from now on each way of serving learns from its own users only.

        Args:
            served: at least two; the first one is the control.
            window: so long a user counts, such as ``2h``.
            duration: of the simulation.
            sessions, rules: of the stream.
            seed: another one divides the users otherwise.

        Raises:
            SettingsError: there are not two ways of serving.
        """
        if len(served) < 2:
            raise SettingsError("an experiment needs two ways of serving: simulate with --learn")
        names = [one.name for one in served]
        self.plan = ExperimentPlan(
            name="simulation",
            buckets=[[0, BUCKETS]],
            control=names[0],
            arms=[ArmPlan(name=name) for name in names],
            primary="ctr",
            secondary=["ndcg", "sessions"],
            window=window,
            minimum="1s",
            maximum=duration,
            expected_users=1_000,
        )
        self._places = {name: place for place, name in enumerate(names)}
        self._split, self._layer = split_of(self.plan), f"simulation/{seed}"
        counting = Counting(EventTypes.parse(sessions.event_types))
        self._trials = Trials(counting, feedback_window=rules.window, session_gap=sessions.gap)
        self._trial = self._trials.start(self.plan)
        self._known: dict[str, tuple[int, list[Assignment]]] = {}
        for place, one in enumerate(served):
            one.teaches = partial(self._teaches, place)

    def of(self, user_id: str) -> tuple[int, list[Assignment]]:
        """Whose lists a user sees, and the user's arm."""
        if user_id not in self._known:
            found = assigned(self._layer, [self._split], user_id)
            self._known[user_id] = (self._places[found.arm], [found]) if found is not None else (0, [])
        return self._known[user_id]

    def _teaches(self, place: int, user_id: str) -> bool:
        return self.of(user_id)[0] == place

    def learn(self, batches: Sequence[LearningBatch]) -> None:
        """Count what came to be known."""
        for batch in batches:
            self._trials.take(batch.sessions, batch.outcomes, batch.event_time)

    def result(self) -> ExperimentResult:
        """What was found, with all windows closed. Use it once, at the end."""
        self._trials.take((), (), EVER)
        return self._trial.result()
