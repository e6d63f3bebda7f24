"""The part of the learner that learns click probabilities, and watches for drift."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from learning import metrics
from learning.learning_events import LearningEvents
from mos_online.contracts import LearningEvent, Outcome, Session
from mos_online.experiments.treatment import CHAMPION, NO_EXPERIMENTS, Treatments
from mos_online.learning.alarms import DriftAlarm
from mos_online.learning.drift_events import alarm_of, event_of
from mos_online.learning.fast_weights import FastWeights
from mos_online.learning.learner import FastLearner, LearnerState
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.learning.taken import Taken, TakenBefore
from mos_online.learning.whole_file import read_state, write_state

PUBLISH_EVERY = 1.0
"""Seconds between two writings of an arm's weights, at least."""

STORE_EVERY = 10.0
"""Seconds between two writings of the state; what came later is learned again from the learner's log."""

REMEMBERED = 3_600_000
"""Event time (ms) before the state's that detectors are shown again after a restart."""

EVERYTHING = 1 << 60
"""All of the learner's log: how much of it is new to the state, only the state knows."""

FILE = "fast_weights.json"

log = logging.getLogger(__name__)


class Stored(msgspec.Struct, kw_only=True):
    """The part on the disk.

    Attributes:
        taken: how far the batches were learned.
        learner: what was learned.
        unsent: alarms that Kafka does not have.
        alarms: the last ones.
        starts: when the experiment of each arm was started, ms.
    """

    taken: Taken = msgspec.field(default_factory=Taken)
    learner: LearnerState = msgspec.field(default_factory=LearnerState)
    unsent: list[LearningEvent] = []
    alarms: list[LearningEvent] = []
    starts: dict[str, int] = {}


class Themes(Protocol):
    """``learning.session_themes.SessionThemes``, as far as it is used here."""

    def follow(self) -> tuple[str, int] | None:
        """The epoch and its number of themes, if another one has come into service since the last call."""

    def of(self, sessions: Sequence[Session]) -> list[int] | None:
        """The theme of each session; None without a router."""


class FastWeightsPart:
    """Learns from outcomes, watches outcomes and sessions, and publishes weights and alarms."""

    name = "fast-weights"
    horizon = EVERYTHING

    def __init__(
        self,
        *,
        folder: Path,
        themes: Themes,
        write: Callable[[FastWeights], None],
        events: LearningEvents,
        treatments: Callable[[], Treatments] = lambda: NO_EXPERIMENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from what the folder has.

        Args:
            folder: of the learner.
            themes: of sessions.
            write: puts weights into the online store; raises StoreError.
            events: publishes alarms.
            treatments: the experiments in force; the same object until others are.
            clock: gives seconds.
        """
        self._in_force = treatments
        self._treatments = NO_EXPERIMENTS
        self._path = folder / FILE
        self._themes = themes
        self._write = write
        self._events = events
        self._clock = clock
        self._stored = read_state(self._path, Stored)
        for event in self._stored.unsent:
            events.add(event)
        self._before = TakenBefore(self._stored.taken)
        self._learner = FastLearner(self._stored.learner)
        self._published: dict[str, FastWeights] = {}
        self._published_at = self._stored_at = float("-inf")
        self._alarms: list[DriftAlarm] = []
        self._unknown = 0
        self._epoch()

    def take(self, batch: LearningBatch) -> None:
        """Learn from a batch; one that was learned before a restart only shows detectors what they knew."""
        self._epoch()
        known, batch = self._before.divide(batch)
        if batch.again and known.event_time > self._stored.taken.to - REMEMBERED:
            self._remember(known)
        self._stored.taken.add(batch)
        found: list[DriftAlarm] = []
        for theme, session in zip(self._themes.of(batch.sessions) or (), batch.sessions, strict=False):
            found += self._learner.session(theme, session.watermark)
        for outcome, arm in self._taught(batch.outcomes):
            found += self._learner.outcome(outcome, arm)
        if not batch.again:
            self._alarms += found

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Publish weights that have changed, and alarms; store the state from time to time.

        Raises:
            StoreError: the online store cannot be written; it is tried again.
        """
        del event_time
        found, self._alarms = self._alarms, []
        for alarm in found:
            event = event_of(alarm)
            self._events.add(event)
            self._stored.alarms = [*self._stored.alarms, event][-20:]
            metrics.DRIFT_ALARMS.labels(alarm.detail or alarm.signal).inc()
        self._events.send()
        now = self._clock()
        if now - self._stored_at >= STORE_EVERY or found:
            self._stored_at = now
            self._store()
            self._measure()
        if now - self._published_at >= PUBLISH_EVERY:
            self._published_at = now
            self._publish()
        return [alarm_of(alarm) for alarm in found]

    def hear(self, alarm: Alarm) -> None:
        """What this part can do about an alarm it has done when it gave it."""

    def status(self) -> Mapping[str, object]:
        """What was learned of each model, the last alarms, and what is passed of the fixed limits."""
        state = self._learner.state
        return {
            "event time": state.at,
            "models": {
                f"{arm} {version}": weights.version
                for arm, found in self._published.items()
                for version, weights in found.models.items()
            },
            "impressions": {
                f"{arm} {version}": model.calibration().bins.seen
                for arm, found in state.arms.items()
                for version, model in found.models.items()
            },
            "clicks by expected": self._ratios(),
            "alarms": [f"{event.signal}: {event.reason}" for event in self._stored.alarms],
            "raised": state.hold_off.raised,
            "held off": state.hold_off.held,
            "stopped by": self._learner.broken(),
            "epoch": state.epoch,
            "outcomes of unknown experiments, which teach nobody": self._unknown,
        }

    def _publish(self) -> None:
        for arm in self._learner.state.arms:
            weights = self._learner.weights(arm)
            before = self._published.get(arm)
            if weights is None or (before is not None and before.models == weights.models):
                continue
            self._write(weights)
            self._published[arm] = weights

    def _remember(self, batch: LearningBatch) -> None:
        for theme, session in zip(self._themes.of(batch.sessions) or (), batch.sessions, strict=False):
            self._learner.remember_session(theme, session.watermark)
        for outcome, arm in self._taught(batch.outcomes):
            self._learner.remember(outcome, arm)

    def _taught(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, str]]:
        """The outcomes from which somebody learns, and the arm that does."""
        treatments = self._in_force()
        if treatments is not self._treatments:
            self._treatments = treatments
            self._forget_ended(treatments.starts)
        for outcome in outcomes:
            arm = treatments.learner_of(outcome.assignments)
            if arm is not None:
                yield outcome, arm
            self._unknown += not treatments.knows(outcome.assignments)

    def _forget_ended(self, starts: dict[str, int]) -> None:
        """Drop what was learned in arms that are not those of now, by the starts of their experiments."""
        for arm in self._learner.arms() - {CHAMPION}:
            if starts.get(arm, -1) != self._stored.starts.get(arm):
                self._learner.forget(arm)
                self._published.pop(arm, None)
                metrics.forget_arm(arm)
        self._stored.starts = starts

    def _epoch(self) -> None:
        if (begun := self._themes.follow()) is not None:
            self._learner.begin_epoch(*begun)

    def _ratios(self) -> dict[str, float]:
        served = self._learner.state.served.items()
        return {arm: round(cell.clicks / cell.expected, 4) for arm, cell in served if cell.expected}

    def _measure(self) -> None:
        state = self._learner.state
        for arm, ratio in self._ratios().items():
            metrics.CLICK_RATIO.labels(arm).set(ratio)
        for signal, count in state.hold_off.held.items():
            metrics.HELD_ALARMS.labels(signal).set(count)
        for arm, found in state.arms.items():
            metrics.LEARNING_STOPPED.labels(arm).set(bool(found.limits.broken()))

    def _store(self) -> None:
        self._stored.unsent = self._events.unsent()
        write_state(self._path, self._stored)
