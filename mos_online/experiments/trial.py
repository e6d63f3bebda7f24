"""One experiment, from outcomes and sessions in event order to what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log

import msgspec

from mos_online.contracts import Assignment, Outcome, Session
from mos_online.experiments.arm_result import ArmResult, Levels, result_of
from mos_online.experiments.assignment import BUCKETS
from mos_online.experiments.comparison import Comparison
from mos_online.experiments.counting import Counting
from mos_online.experiments.early_row import EarlyRow
from mos_online.experiments.guards import Guard
from mos_online.experiments.looks import Look, Looks
from mos_online.experiments.past import Past
from mos_online.experiments.plan import ExperimentPlan, milliseconds
from mos_online.experiments.reading import shares
from mos_online.experiments.result import ArmUsers, ExperimentResult
from mos_online.experiments.sample_ratio import ALPHA, SampleRatio
from mos_online.experiments.user_row import UserRow
from mos_online.experiments.users import ExperimentUsers, UserRules, UsersState
from mos_online.experiments.verdict import Verdict, mismatch, verdict_of

NO_EVIDENCE = -1e9


class TrialState(msgspec.Struct, kw_only=True):
    """All that a restart needs, as JSON.

    Attributes:
        users: who is exposed, and what is known of those whose window is open.
        finished: users by arm.
        comparisons: each arm beside the control.
        evidence: see ``SampleRatio.strongest``.
        verdicts: what follows, by arm; those of closed arms stay.
        looks: so far.
        left_out: answers by reason: ``unknown_arm`` and ``contradicted`` (the logged probability is not the planned).
        first_at: event time of the first batch, ms; -1 before.
        event_time: of the last look, ms.
        mismatch: whether the split was contradicted.
    """

    users: UsersState = msgspec.field(default_factory=UsersState)
    finished: dict[str, int] = {}
    comparisons: list[Comparison] = []
    evidence: float = NO_EVIDENCE
    verdicts: dict[str, Verdict] = {}
    looks: Looks = msgspec.field(default_factory=Looks)
    left_out: dict[str, int] = {}
    first_at: int = -1
    event_time: int = -1
    mismatch: bool = False


class Trial:
    """Counts the users of one experiment and says at every look what follows.

    Attributes:
        plan: of the experiment.
        counting: what counts.
        verdicts: what follows, by arm without the control.
    """

    def __init__(
        self,
        plan: ExperimentPlan,
        *,
        counting: Counting,
        past: Past,
        settle: int,
        started_at: int = -1,
        state: TrialState | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            plan: of the experiment.
            counting: what counts.
            past: what users did before; it is brought up to date elsewhere, the sessions of a batch first.
            settle: see ``UserRules``.
            started_at: when the experiment was started, ms; -1 if nobody knows. Its first batches may be older.
            state: of an earlier run.
        """
        state = state or TrialState()
        self.plan, self.counting, self.verdicts = plan, counting, state.verdicts
        rules = UserRules(window=milliseconds(plan.window), settle=settle, maximum=milliseconds(plan.maximum))
        self._users = ExperimentUsers(rules, counting, past, state.users)
        sizes = shares(plan.arms)
        self._shares = {arm.name: size / BUCKETS for arm, size in zip(plan.arms, sizes, strict=True)}
        others = [arm.name for arm in plan.arms if arm.name != plan.control]
        self._comparisons = state.comparisons or [Comparison.of(plan, arm) for arm in others]
        self._levels = {arm: Levels.of(plan, arm) for arm in others}
        self._split = SampleRatio(list(self._shares.values()))
        self._split.strongest = state.evidence
        self._finished, self._left_out = Counter(state.finished), Counter(state.left_out)
        self._looks, self._event_time = state.looks, state.event_time
        self._started_at, self._first_at, self._settle = started_at, state.first_at, settle
        self._results: dict[str, ArmResult] = {}

    @property
    def event_time(self) -> int:
        """Before which everything is counted, ms; -1 before the first batch."""
        return self._event_time

    @property
    def mismatch(self) -> bool:
        """Whether the arms do not have the users that were planned."""
        return self._split.mismatch

    @property
    def over(self) -> bool:
        """Whether the longest duration is over and all users are finished.

        As long as nobody is exposed, it counts from the start of the experiment, in event time: from its first batch,
        or from ``started_at`` if that is later.
        """
        if self._users.begun_at < 0:
            begun_at = max(self._first_at, self._started_at)
            return 0 <= begun_at <= self._event_time - milliseconds(self.plan.maximum) - self._settle
        return self._users.over(self._event_time) and not self._users.open

    def take(self, sessions: Sequence[Session], outcomes: Sequence[Outcome], event_time: int) -> None:
        """Take what came to be known up to an event time (ms), in order, and look."""
        for session in sessions:
            self._users.take_session(session)
        exposed = False
        for outcome in outcomes:
            for assignment in outcome.assignments:
                if (assignment.experiment, assignment.version) == (self.plan.name, self.plan.version):
                    exposed |= self._take(outcome, assignment, event_time)
        self._event_time = event_time
        self._first_at = event_time if self._first_at < 0 else self._first_at
        if exposed:
            self._split.look([self._users.exposed[arm] for arm in self._shares])
        early = list(self._users.early(event_time))
        for first in early:
            self._guard(first)
        rows = list(self._users.finished(event_time))
        for row in rows:
            self._count(row)
        ends = self.over and any(verdict.word == "keep running" for verdict in self.verdicts.values())
        if rows or early or exposed or ends or not self.verdicts:
            self._look()

    def close(self, arm: str, verdict: Verdict) -> None:
        """From now on nobody is counted for an arm: its users do not get it any more."""
        for comparison in self._comparisons:
            if comparison.arm == arm and comparison.closed_at is None:
                comparison.closed_at = self._event_time
                self.verdicts[arm] = verdict

    def closed(self, arm: str) -> bool:
        """Whether an arm's users are not counted any more."""
        return any(one.arm == arm and one.closed_at is not None for one in self._comparisons)

    def change(self, plan: ExperimentPlan) -> None:
        """Take over what a running experiment may change (``changes.CHANGEABLE``).

        A guardrail that is new, or has another margin, counts the users who are finished from now on.
        """
        self.plan = plan
        self._users.last(milliseconds(plan.maximum))
        for comparison in self._comparisons:
            comparison.guards = [
                next((guard for guard in comparison.guards if guard.watches(one)), None) or Guard.of(one)
                for one in plan.guardrails
            ]
        self._levels = {arm: Levels.of(plan, arm) for arm in self._levels}
        self._results.clear()

    def result(self, stopped: str | None = None) -> ExperimentResult:
        """What is known now, for people; ``stopped`` says why nobody is counted any more."""
        hidden = self.mismatch
        return ExperimentResult(
            plan=self.plan,
            event_time=self._event_time,
            begun_at=self._users.begun_at,
            over=self.over,
            users={
                arm: ArmUsers(exposed=self._users.exposed[arm], planned=share, finished=self._finished[arm])
                for arm, share in self._shares.items()
            },
            left_out=dict(sorted((self._left_out + self._users.left_out).items())),
            evidence=self._split.strongest,
            allowed=log(1 / ALPHA),
            verdicts=dict(self.verdicts),
            arms=[] if hidden else [self._result(comparison) for comparison in self._comparisons],
            looks=[] if hidden else self._looks.series(),
            stopped=stopped,
        )

    def state(self) -> TrialState:
        """All that a restart needs."""
        return TrialState(
            users=self._users.state(),
            finished=dict(self._finished),
            comparisons=self._comparisons,
            evidence=self._split.strongest,
            verdicts=self.verdicts,
            looks=self._looks,
            left_out=dict(self._left_out),
            first_at=self._first_at,
            event_time=self._event_time,
            mismatch=self.mismatch,
        )

    def _take(self, outcome: Outcome, assignment: Assignment, event_time: int) -> bool:
        """Take an answer of the experiment; whether it is a first exposure."""
        planned = self._shares.get(assignment.arm)
        if planned is None:
            self._left_out["unknown_arm"] += 1
            return False
        if abs(planned - assignment.probability) > 1e-6:
            self._left_out["contradicted"] += 1
            return False
        return self._users.take_outcome(outcome, assignment.arm, event_time) is not None

    def _guard(self, row: EarlyRow) -> None:
        for comparison, treated, share in self._counted(row.arm):
            comparison.guard(row, treated=treated, probability=share)

    def _count(self, row: UserRow) -> None:
        self._finished[row.arm] += 1
        for comparison, treated, share in self._counted(row.arm):
            comparison.add(self.plan, row, self._users.usual, treated=treated, probability=share)

    def _counted(self, arm: str) -> Iterator[tuple[Comparison, bool, float]]:
        """The comparisons in which a user of an arm counts, whether as treated, and the probability of that."""
        control = self.plan.control
        for comparison in self._comparisons:
            if comparison.closed_at is None and arm in (control, comparison.arm):
                share = self._shares[comparison.arm] / (self._shares[comparison.arm] + self._shares[control])
                self._results.pop(comparison.arm, None)
                yield comparison, arm != control, share

    def _result(self, comparison: Comparison) -> ArmResult:
        if comparison.arm not in self._results:
            self._results[comparison.arm] = result_of(comparison, self._levels[comparison.arm])
        return self._results[comparison.arm]

    def _look(self) -> None:
        """See what follows for each arm; an arm that harms is counted no further."""
        estimates = {}
        for comparison in self._comparisons:
            arm, result = comparison.arm, self._result(comparison)
            estimates[arm] = result.primary
            if comparison.closed_at is not None:
                continue
            elapsed = self._event_time - self._users.begun_at if self._users.begun_at >= 0 else 0
            verdict = (
                mismatch(self._split.strongest, log(1 / ALPHA))
                if self.mismatch
                else verdict_of(self.plan, result, elapsed=elapsed, over=self.over)
            )
            self.verdicts[arm] = verdict
            if verdict.word == "harm":
                comparison.closed_at = self._event_time
        exposed = sum(self._users.exposed.values())
        look = Look(at=self._event_time, exposed=exposed, evidence=self._split.strongest, arms=estimates)
        self._looks.add(look)
