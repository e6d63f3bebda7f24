"""All experiments that are counted, and the one past that they share."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.contracts import Outcome, Session
from mos_online.experiments.counting import Counting
from mos_online.experiments.past import Past
from mos_online.experiments.plan import ExperimentPlan
from mos_online.experiments.trial import Trial, TrialState

SLACK = 60_000
"""Beyond what must be waited for (ms): records of one moment are given out with those of the same second."""


class Trials:
    """Gives batches of the learner to each experiment.

    Attributes:
        past: what users did.
        running: by name and version.
    """

    def __init__(self, counting: Counting, *, feedback_window: int, session_gap: int) -> None:
        """Begin with none.

        Args:
            counting: what counts.
            feedback_window: an outcome is known so long (ms) after its answer.
            session_gap: a session closes so long (ms) after its last event.
        """
        self.past = Past(counting, recent=feedback_window + SLACK)
        self.running: dict[tuple[str, int], Trial] = {}
        self._settle = max(feedback_window, session_gap) + SLACK

    def start(
        self, plan: ExperimentPlan, state: TrialState | None = None, *, counting: Counting | None = None
    ) -> Trial:
        """Count an experiment from now on, or go on with it; ``counting`` is that of the past if none is given."""
        trial = Trial(plan, counting=counting or self.past.counting, past=self.past, settle=self._settle, state=state)
        self.running[plan.name, plan.version] = trial
        return trial

    def take(self, sessions: Sequence[Session], outcomes: Sequence[Outcome], event_time: int) -> None:
        """Take what came to be known up to an event time (ms), in order."""
        for session in sessions:
            self.past.add(session)
        for trial in self.running.values():
            trial.take(sessions, outcomes, event_time)
        self.past.advance(event_time)

    def remember(self, sessions: Sequence[Session], event_time: int) -> None:
        """Take what the experiments have counted before a restart: only the past needs it again."""
        for session in sessions:
            self.past.add(session)
        self.past.advance(event_time)
