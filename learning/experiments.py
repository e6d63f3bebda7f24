"""The part of the learner that counts the users of experiments, publishes what they show, and takes back what harms."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from learning.counted import Counted
from learning.experiment_actions import ExperimentActions
from learning.learning_events import LearningEvents
from learning.stored_trials import FILE, Stored
from mos_online.contracts import EventTypes
from mos_online.errors import MosError, StoreError
from mos_online.experiments.events import event_of
from mos_online.experiments.in_force import InForce, Running
from mos_online.experiments.plan import ExperimentPlan
from mos_online.experiments.shelf import ExperimentShelf
from mos_online.experiments.trial import Trial
from mos_online.experiments.trials import Key
from mos_online.experiments.verdict import Verdict
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.learning.taken import TakenBefore
from mos_online.learning.whole_file import read_state, write_state

PUBLISH_EVERY = 2.0
"""Seconds between two writings of the results."""

STORE_EVERY = 60.0
"""Seconds between two writings of the state; what came later is counted again from the learner's log."""

PAUSES = 20
"""The state is written less often if that takes long: with a million open windows it takes seconds."""

EVERYTHING = 1 << 60
"""All of the learner's log: how much of it is counted, only the state knows."""

log = logging.getLogger(__name__)


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
        self._stored = read_state(folder / FILE, Stored)
        self._before = TakenBefore(self._stored.taken)
        for event in self._stored.unsent:
            events.add(event)
        self._counted = Counted(
            folder,
            types,
            self._stored.trials,
            taken=self._stored.taken,
            feedback_window=feedback_window,
            session_gap=session_gap,
        )
        self._trials = self._counted.trials
        self._actions = ExperimentActions(shelf, events, clock)
        self._in_force: InForce | None = None
        self._followed: InForce | None = None
        self._live = self._followed_live = False
        self._written: dict[Key, int] = {}
        self._published_at = self._stored_at = float("-inf")
        self._store_took = 0.0
        self._problem: str | None = None
        self._follow()

    def take(self, batch: LearningBatch) -> None:
        """Count a batch; one that was counted before a restart only says what users did before.

        What has ended while nobody counted is counted to the end of the learner's log.
        """
        known, batch = self._before.divide(batch)
        if known.sessions:
            self._trials.remember(known.sessions, known.event_time)
        if batch.again and not (batch.sessions or batch.outcomes):
            return
        if not batch.again and not self._live:
            self._go_live()
        self._stored.taken.add(batch)
        self._trials.take(batch.sessions, batch.outcomes, batch.event_time)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Tell what has changed, write results and state when they are due, and act on what harms.

        What fails holds up nothing else: an arm that harms is taken back, too, if no result can be written.

        Raises:
            MosError: what is in force cannot be read or changed, or the disk is full; it is tried again.
        """
        del event_time
        self._go_live()
        changed, trials = False, list(self._trials.running.values())
        for trial in trials:
            for arm, verdict in trial.verdicts.items():
                changed |= self._tell(trial, arm, verdict)
        failures: list[MosError] = []
        for task in (partial(self._keep, changed=changed), *(partial(self._act, trial) for trial in trials)):
            try:
                task()
            except MosError as error:
                failures.append(error)
        if self._problem is not None:
            failures.append(StoreError(self._problem))
        if failures:
            raise _as_one(failures)
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

    def _go_live(self) -> None:
        """All of the log is taken again: from now on what ends is counted no further."""
        self._live = True
        self._follow()

    def _follow(self) -> None:
        """Begin with what was started; while batches are new, end with what was stopped."""
        before = dict(self._trials.running)
        try:
            found = self._shelf.in_force()
            if found == self._followed and self._followed_live == self._live:
                self._problem = None
                return
            self._in_force = found  # what harms is acted on, even if a result cannot be written
            self._actions.forget(found)
            self._counted.begin(found)
            if self._live:
                self._counted.close(found)
                if not self._followed_live:
                    self._counted.finish_left_results(found)
        except MosError as error:
            if str(error) != self._problem:
                log.error("what is in force cannot be followed: %s", error)
            self._problem = str(error)
            return
        finally:
            if any(self._trials.running.get(key) is not trial for key, trial in before.items()):
                self._written = {key: at for key, at in self._written.items() if key in self._trials.running}
                self._stored_at = float("-inf")  # an older state must not write an older result after a restart
        self._problem, self._followed, self._followed_live = None, found, self._live

    def _keep(self, *, changed: bool) -> None:
        """Write results and state if they are due, and publish what has changed."""
        if changed:
            self._store()
        self._events.send()
        now = self._clock()
        if changed or now - self._published_at >= PUBLISH_EVERY:
            for key, trial in self._trials.running.items():
                if self._written.get(key) != trial.event_time or changed:
                    self._counted.write(trial.result())
                    self._written[key] = trial.event_time
            self._published_at = now
        if now - self._stored_at >= max(STORE_EVERY, PAUSES * self._store_took):
            self._store()

    def _act(self, trial: Trial) -> None:
        """Have done what follows from what was found, if the experiment is in force."""
        running = self._running(trial.plan)
        if running is not None:
            self._actions.act(trial, running)

    def _running(self, plan: ExperimentPlan) -> Running | None:
        """The experiment in force, if it is this version of it."""
        found = self._in_force.named(plan.name) if self._in_force is not None else None
        return found if found is not None and found.version == plan.version else None

    def _tell(self, trial: Trial, arm: str, verdict: Verdict) -> bool:
        """Publish the word for an arm if it is another one than before."""
        told = self._counted.told.setdefault((trial.plan.name, trial.plan.version), {})
        if told.get(arm) == verdict.word:
            return False
        first = arm not in told
        told[arm] = verdict.word
        if first and verdict.word == "keep running":
            return False
        self._events.add(event_of(trial.result(), arm, verdict))
        log.warning("%s: the arm %s: %s: %s", trial.plan.name, arm, verdict.word, verdict.why)
        return True

    def _store(self) -> None:
        self._stored_at, began = self._clock(), time.monotonic()
        self._stored.unsent = self._events.unsent()
        self._stored.trials = self._counted.stored()
        write_state(self._folder / FILE, self._stored)
        self._store_took = time.monotonic() - began


def _as_one(failures: Sequence[MosError]) -> MosError:
    """The only error, or one that says what all say."""
    said = list(dict.fromkeys(str(error) for error in failures))
    return failures[0] if len(said) == 1 else StoreError("; ".join(said))
