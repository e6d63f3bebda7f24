"""The part of the learner that counts the users of experiments, publishes what they show, and takes back what harms."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from learning.learning_events import LearningEvents
from mos_online.contracts import EventTypes, LearningEvent
from mos_online.errors import MosError, StoreError
from mos_online.experiments.changes import changed_keys
from mos_online.experiments.counting import Counting
from mos_online.experiments.events import event_of
from mos_online.experiments.in_force import InForce
from mos_online.experiments.plan import ExperimentPlan
from mos_online.experiments.shelf import ExperimentShelf
from mos_online.experiments.trial import Trial, TrialState
from mos_online.experiments.trials import Trials
from mos_online.experiments.verdict import Verdict
from mos_online.learning.kept_results import write_result
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.learning.taken import Taken, TakenBefore
from mos_online.learning.whole_file import read_state, write_state

PUBLISH_EVERY = 2.0
"""Seconds between two writings of the results."""

STORE_EVERY = 60.0
"""Seconds between two writings of the state; what came later is counted again from the learner's log."""

PAUSES = 20
"""The state is written less often if that takes long: with a million open windows it takes seconds."""

SHIP_AGAIN = 300.0
"""Seconds until a winner is tried again that could not be promoted."""

EVERYTHING = 1 << 60
"""All of the learner's log: how much of it is counted, only the state knows."""

FILE = "experiments.json"

log = logging.getLogger(__name__)


class StoredTrial(msgspec.Struct, kw_only=True):
    """One experiment on the disk.

    Attributes:
        plan: as it was when counting began, but for what a ramp changes.
        state: what was counted.
        conversions, value: what is counted, as it was then.
        told: the word of each arm that was published last.
    """

    plan: ExperimentPlan
    conversions: list[str]
    value: str | None
    state: TrialState
    told: dict[str, str] = {}


class Stored(msgspec.Struct, kw_only=True):
    """The part on the disk.

    Attributes:
        taken: how far the batches were counted.
        trials: experiments in force.
        unsent: events that Kafka does not have.
    """

    taken: Taken = msgspec.field(default_factory=Taken)
    trials: list[StoredTrial] = []
    unsent: list[LearningEvent] = []


class ExperimentsPart:
    """Counts what is in force; publishes results; rolls back an arm that harms, and stops a broken experiment."""

    name = "experiments"
    horizon = EVERYTHING

    def __init__(
        self,
        *,
        folder: Path,
        shelf: ExperimentShelf,
        events: LearningEvents,
        types: EventTypes,
        feedback_window: int,
        session_gap: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from what the folder has.

        Args:
            folder: of the learner.
            shelf: says what is in force.
            events: publishes what follows.
            types: what the types of events mean.
            feedback_window, session_gap: as ``Trials``, ms.
            clock: gives seconds.
        """
        self._folder, self._shelf, self._events, self._clock = folder, shelf, events, clock
        self._types = types
        self._stored = read_state(folder / FILE, Stored)
        self._before = TakenBefore(self._stored.taken)
        for event in self._stored.unsent:
            events.add(event)
        self._in_force = InForce()
        self._trials = Trials(Counting(types), feedback_window=feedback_window, session_gap=session_gap)
        self._told: dict[tuple[str, int], dict[str, str]] = {}
        self._written: dict[tuple[str, int], int] = {}
        for one in self._stored.trials:
            counting = Counting(types, conversions=one.conversions, value=one.value)
            self._trials.start(one.plan, one.state, counting=counting)
            self._told[one.plan.name, one.plan.version] = one.told
        self._published_at = self._stored_at = float("-inf")
        self._next_ship: dict[tuple[str, int, str], float] = {}
        self._store_took = 0.0
        self._problem: str | None = None
        self._follow()

    def take(self, batch: LearningBatch) -> None:
        """Count a batch; one that was counted before a restart only says what users did before."""
        known, batch = self._before.divide(batch)
        if known.sessions:
            self._trials.remember(known.sessions, known.event_time)
        if batch.again and not (batch.sessions or batch.outcomes):
            return
        self._follow()
        self._stored.taken.add(batch)
        self._trials.take(batch.sessions, batch.outcomes, batch.event_time)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Act on what harms, tell what has changed, and write results and state when they are due.

        Raises:
            MosError: what is in force cannot be read or changed, or the disk is full; it is tried again.
        """
        del event_time
        self._follow()
        changed = False
        for trial in list(self._trials.running.values()):
            for arm, verdict in trial.verdicts.items():
                changed |= self._tell(trial, arm, verdict)
        if changed:
            self._store()
        self._events.send()
        now = self._clock()
        if changed or now - self._published_at >= PUBLISH_EVERY:
            self._published_at = now
            for key, trial in self._trials.running.items():
                if self._written.get(key) != trial.event_time or changed:
                    self._write(trial, None)
                    self._written[key] = trial.event_time
        if now - self._stored_at >= max(STORE_EVERY, PAUSES * self._store_took):
            self._store()
        for trial in list(self._trials.running.values()):
            for arm, verdict in trial.verdicts.items():
                self._act(trial, arm, verdict)
            self._end_at_maximum(trial)
        if self._problem is not None:
            raise StoreError(self._problem)
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Experiments do not change with what is learned."""

    def status(self) -> Mapping[str, object]:
        """The word for each arm, and why."""
        return {
            f"{trial.plan.name}/{trial.plan.version} {arm}": f"{verdict.word}: {verdict.why}"
            for trial in self._trials.running.values()
            for arm, verdict in trial.verdicts.items()
        } or {"state": "no experiment is in force"}

    def _follow(self) -> None:
        """Begin with what was started, end with what was stopped."""
        try:
            found = self._shelf.in_force()
        except MosError as error:
            if str(error) != self._problem:
                log.error("what is in force cannot be read: %s", error)
            self._problem = str(error)
            return
        self._problem = None
        if found == self._in_force and self._running_all(found):
            return
        self._in_force = found
        self._trials.past.counting = Counting(self._types, conversions=found.conversions, value=found.value)
        wanted = {(one.name, one.version): one for one in found.running}
        for key, trial in list(self._trials.running.items()):
            if key not in wanted:
                self._end(key, trial)
        for key, one in wanted.items():
            running = self._trials.running.get(key)
            if running is not None and changed_keys(running.plan, one.plan):  # of another registry
                self._end(key, running)
                running = None
            running = running or self._trials.start(one.plan)
            if running.plan != one.plan:
                running.change(one.plan)
            for taken in one.rolled_back:
                if not running.closed(taken.arm):
                    why = f"the arm was taken back: {taken.why}"
                    running.close(taken.arm, Verdict(word="ended", why=why))

    def _end(self, key: tuple[str, int], trial: Trial) -> None:
        """Count an experiment no further: its last result stays."""
        why = next((one.why for one in self._in_force.ended if (one.name, one.version) == key), "it ended long ago")
        self._write(trial, why)
        del self._trials.running[key]
        self._told.pop(key, None)
        self._written.pop(key, None)
        self._stored_at = float("-inf")  # an older state must not write an older result after a restart

    def _running_all(self, found: InForce) -> bool:
        return {(one.name, one.version) for one in found.running} == set(self._trials.running)

    def _act(self, trial: Trial, arm: str, verdict: Verdict) -> None:
        """Take back an arm that harms, stop an experiment that is broken, and ship if the plan says so."""
        plan = trial.plan
        running = self._in_force.named(plan.name)
        if running is None or running.version != plan.version:
            return
        if verdict.word == "harm" and not running.is_rolled_back(arm):
            self._shelf.roll_back(plan.name, plan.version, arm, verdict.why)
        elif verdict.word == "sample ratio mismatch":
            self._shelf.stop(plan.name, plan.version, verdict.why)
        elif verdict.word == "ship" and plan.ship == "automatic":
            key = (plan.name, plan.version, arm)
            if self._clock() < self._next_ship.get(key, float("-inf")):
                return
            self._next_ship[key] = self._clock() + SHIP_AGAIN  # a model that cannot serve takes long to try
            self._shelf.ship(plan.name, plan.version, arm, verdict.why)

    def _end_at_maximum(self, trial: Trial) -> None:
        """End an experiment whose longest duration is over, unless a winner is to be put into service first."""
        plan, words = trial.plan, {verdict.word for verdict in trial.verdicts.values()}
        running = self._in_force.named(plan.name)
        if not trial.over or running is None or running.version != plan.version:
            return
        if "sample ratio mismatch" in words or ("ship" in words and plan.ship == "automatic"):
            return
        found = "; ".join(f"{arm}: {verdict.word}" for arm, verdict in trial.verdicts.items())
        why = f"the longest duration of {plan.maximum} is over, and all windows have closed ({found})"
        self._events.add(event_of(trial.result(), plan.control, Verdict(word="ended", why=why)))
        self._events.send()
        log.warning("%s ends: %s", plan.name, why)
        self._shelf.stop(plan.name, plan.version, why)

    def _tell(self, trial: Trial, arm: str, verdict: Verdict) -> bool:
        """Publish the word for an arm if it is another one than before."""
        told = self._told.setdefault((trial.plan.name, trial.plan.version), {})
        if told.get(arm) == verdict.word:
            return False
        first = arm not in told
        told[arm] = verdict.word
        if first and verdict.word == "keep running":
            return False
        self._events.add(event_of(trial.result(), arm, verdict))
        log.warning("%s: the arm %s: %s: %s", trial.plan.name, arm, verdict.word, verdict.why)
        return True

    def _write(self, trial: Trial, stopped: str | None) -> None:
        try:
            write_result(self._folder, trial.result(stopped))
        except OSError as error:
            raise StoreError(f"results in {self._folder} cannot be written: {error}; free some space there") from None

    def _store(self) -> None:
        self._stored_at, began = self._clock(), time.monotonic()
        self._stored.unsent = self._events.unsent()
        self._stored.trials = []
        for key, trial in self._trials.running.items():
            conversions, value = trial.counting.names
            told = self._told.get(key, {})
            one = StoredTrial(plan=trial.plan, conversions=conversions, value=value, state=trial.state(), told=told)
            self._stored.trials.append(one)
        write_state(self._folder / FILE, self._stored)
        self._store_took = time.monotonic() - began
