"""All experiments that are counted, and the pasts that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mos_online.contracts import Outcome, Session
from mos_online.experiments.counting import Counting
from mos_online.experiments.past import Past
from mos_online.experiments.plan import ExperimentPlan
from mos_online.experiments.trial import Trial, TrialState

SLACK = 60_000
"""Beyond what must be waited for (ms): records of one moment are given out with those of the same second."""

Key = tuple[str, int]
"""Name and version of an experiment."""


class Trials:
    """Gives batches of the learner to each experiment.

    An experiment counts by one rule from its start to its end. There is one past for each rule that is in use.

    Attributes:
        past: what users did, by the rule of experiments that are started now.
        running: the experiments.
    """

    def __init__(
        self,
        counting: Counting,
        *,
        feedback_window: int,
        session_gap: int,
        kept: Callable[[], Iterable[Session]] = tuple,
    ) -> None:
        """Begin with none.

        Args:
            counting: what counts in experiments that are started now.
            feedback_window: an outcome is known so long (ms) after its answer.
            session_gap: a session closes so long (ms) after its last event.
            kept: all sessions that were given up to now, in order; they are asked for when another rule is new.
        """
        self.running: dict[Key, Trial] = {}
        self._settle = max(feedback_window, session_gap) + SLACK
        self._recent = feedback_window + SLACK
        self._kept = kept
        self._event_time = -1
        self._pasts: dict[tuple[object, ...], Past] = {}
        self.past = self._past_of(counting)

    def count_by(self, counting: Counting) -> None:
        """Have experiments that are started from now on count by another rule; the others keep theirs."""
        self.past = self._past_of(counting)
        self._forget()

    def start(
        self,
        plan: ExperimentPlan,
        state: TrialState | None = None,
        *,
        counting: Counting | None = None,
        started_at: int = -1,
    ) -> Trial:
        """Count an experiment from now on, or go on with it.

        Args:
            plan: of the experiment.
            state: of an earlier run.
            counting: what counts; that of the past if none is given.
            started_at: see ``Trial``.
        """
        past = self._past_of(counting) if counting is not None else self.past
        trial = Trial(plan, counting=past.counting, past=past, settle=self._settle, started_at=started_at, state=state)
        self.running[plan.name, plan.version] = trial
        return trial

    def stop(self, key: Key) -> None:
        """Count an experiment no further."""
        del self.running[key]
        self._forget()

    def take(self, sessions: Sequence[Session], outcomes: Sequence[Outcome], event_time: int) -> None:
        """Take what came to be known up to an event time (ms), in order."""
        for past in self._pasts.values():
            past.add(sessions)
        for trial in self.running.values():
            trial.take(sessions, outcomes, event_time)
        self._advance(event_time)

    def remember(self, sessions: Sequence[Session], event_time: int) -> None:
        """Take what the experiments have counted before a restart: only the pasts need it again."""
        for past in self._pasts.values():
            past.add(sessions)
        self._advance(event_time)

    def _advance(self, event_time: int) -> None:
        self._event_time = event_time
        for past in self._pasts.values():
            past.advance(event_time)

    def _past_of(self, counting: Counting) -> Past:
        """The past by a rule; one that is new is made from the sessions that are kept."""
        rule = counting.rule
        if rule not in self._pasts:
            past = self._pasts[rule] = Past(counting, recent=self._recent)
            if self._event_time >= 0:
                for session in self._kept():
                    past.add([session])
                    past.advance(session.watermark)
                past.advance(self._event_time)
        return self._pasts[rule]

    def _forget(self) -> None:
        """Keep the pasts that are in use."""
        rules = {self.past.counting.rule, *(trial.counting.rule for trial in self.running.values())}
        self._pasts = {rule: past for rule, past in self._pasts.items() if rule in rules}
