"""What the words of experiments lead to: an arm is taken back, a model goes into service, an experiment ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from learning.learning_events import LearningEvents
from mos_online.errors import ModelError, MosError
from mos_online.experiments.events import event_of
from mos_online.experiments.in_force import InForce, Running
from mos_online.experiments.shelf import ExperimentShelf
from mos_online.experiments.trial import Trial
from mos_online.experiments.verdict import Verdict

SHIP_AGAIN = 300.0
"""Seconds until a winner is tried again that could not be promoted."""

Start = tuple[str, int, int]
"""Name and version of an experiment, and when it was started."""

log = logging.getLogger(__name__)


class ExperimentActions:
    """Has done, once each, what follows. It takes a moment until what was done is in force, and is seen."""

    def __init__(self, shelf: ExperimentShelf, events: LearningEvents, clock: Callable[[], float]) -> None:
        """Nothing has been done yet.

        Args:
            shelf: where it is done.
            events: tells that an experiment has ended.
            clock: gives seconds.
        """
        self._shelf, self._events, self._clock = shelf, events, clock
        self._ended: set[Start] = set()
        self._taken_back: set[tuple[Start, str]] = set()
        self._next_ship: dict[Start, float] = {}

    def forget(self, found: InForce) -> None:
        """Remember what was done to experiments in force only."""
        starts = {_start(one) for one in found.running}
        self._ended &= starts
        self._taken_back = {(start, arm) for start, arm in self._taken_back if start in starts}
        self._next_ship = {start: at for start, at in self._next_ship.items() if start in starts}

    def act(self, trial: Trial, running: Running) -> None:
        """Take back arms that harm, stop an experiment that is broken or over, and ship if the plan says so.

        Args:
            trial: what was found.
            running: the experiment, as it is in force.

        Raises:
            MosError: it could not be done, and is tried again at the next call; a model after ``SHIP_AGAIN`` seconds.
        """
        start, plan = _start(running), trial.plan
        if start in self._ended:
            return
        broken = next((one for one in trial.verdicts.values() if one.word == "sample ratio mismatch"), None)
        if broken is not None:
            self._shelf.stop(plan.name, plan.version, broken.why)
            self._ended.add(start)
            return
        for arm, verdict in trial.verdicts.items():
            if verdict.word == "harm" and not running.is_rolled_back(arm) and (start, arm) not in self._taken_back:
                self._shelf.roll_back(plan.name, plan.version, arm, verdict.why)
                self._taken_back.add((start, arm))
        winners = [arm for arm, verdict in trial.verdicts.items() if verdict.word == "ship"]
        if winners and plan.ship == "automatic":
            self._ship(trial, start, winners)
        elif trial.over:
            self._end(trial, start)

    def _ship(self, trial: Trial, start: Start, winners: Sequence[str]) -> None:
        """Put the first winner that can serve into service; if none can, and the experiment is over, end it."""
        if self._clock() < self._next_ship.get(start, float("-inf")):
            return
        self._next_ship[start] = self._clock() + SHIP_AGAIN  # a model that cannot serve takes long to try
        plan, failures = trial.plan, dict[str, MosError]()
        for arm in winners:
            try:
                self._shelf.ship(plan.name, plan.version, arm, trial.verdicts[arm].why)
            except MosError as error:
                failures[arm] = error
                if isinstance(error, ModelError):
                    continue
                break
            self._ended.add(start)
            return
        if trial.over:
            tried = "; ".join(f"{arm} could not be promoted: {error}" for arm, error in failures.items())
            self._end(trial, start, f"; {tried}")
        raise next(iter(failures.values()))

    def _end(self, trial: Trial, start: Start, tried: str = "") -> None:
        """End an experiment whose longest duration is over, and tell it."""
        plan, result = trial.plan, trial.result()
        closed = "all windows have closed" if result.begun_at >= 0 else "nobody was exposed"
        found = "; ".join(f"{arm}: {verdict.word}" for arm, verdict in trial.verdicts.items())
        why = f"the longest duration of {plan.maximum} is over, and {closed} ({found}){tried}"
        self._shelf.stop(plan.name, plan.version, why)
        self._ended.add(start)
        log.warning("%s ends: %s", plan.name, why)
        self._events.add(event_of(result, plan.control, Verdict(word="ended", why=why)))
        self._events.send()


def _start(running: Running) -> Start:
    return running.name, running.version, running.started_at
