"""Learns click probabilities from outcomes, and watches for drift. A function of what it is given, in its order."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mos_online.contracts import Outcome
from mos_online.experiments.treatment import CHAMPION
from mos_online.learning.alarms import DriftAlarm, HoldOff
from mos_online.learning.calibration import Calibration, Shown
from mos_online.learning.canonical import canonical
from mos_online.learning.cells import Cell
from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.learning.limits import Answered, FixedLimits
from mos_online.learning.monitor import DriftMonitor

WATCHED = 8_000
"""Impressions of a model version before its residuals are watched: earlier, its curve is not sharp enough."""

MODELS = 4
"""Model versions of an arm that are remembered: those seen last."""

KEPT_AFTER_ALARM = 0.1
"""After an alarm of the calibration, what the cells have counted counts this share."""


class ModelState(msgspec.Struct, kw_only=True):
    """What was learned of one model version in one arm.

    Attributes:
        seen_at: event time (ms) of its last outcome.
        by_impressions: learned from answers of which impressions say what was shown.
        by_request: learned from answers that were shown as far as we know. The two kinds have other click rates.
    """

    seen_at: int = 0
    by_impressions: Calibration = msgspec.field(default_factory=Calibration)
    by_request: Calibration = msgspec.field(default_factory=Calibration)

    def calibration(self) -> Calibration:
        """The better one: from impressions, as soon as there are enough."""
        return self.by_request if self.by_impressions.curve is None else self.by_impressions


class ArmState(msgspec.Struct, kw_only=True):
    """What was learned in one arm: its model versions, and whether its answers are sound."""

    models: dict[str, ModelState] = {}
    limits: FixedLimits = msgspec.field(default_factory=FixedLimits)


class LearnerState(msgspec.Struct, kw_only=True):
    """All that a restart needs, as JSON.

    Attributes:
        at: event time (ms) of the newest outcome or session.
        arms: by name.
        epoch: of the router that gave the sessions their themes; "" before the first.
        served: the probabilities that the service has given, beside what was clicked, by arm.
        hold_off: alarms so far.
    """

    at: int = 0
    arms: dict[str, ArmState] = {}
    epoch: str = ""
    served: dict[str, Cell] = {}
    hold_off: HoldOff = msgspec.field(default_factory=HoldOff)

    def encoded(self) -> bytes:
        """As JSON; the same log gives the same bytes."""
        return canonical(self)

    @classmethod
    def decode(cls, raw: bytes) -> LearnerState:
        """What ``encoded`` gave; raises msgspec.DecodeError if it is something else."""
        return msgspec.json.decode(raw, type=cls)


class FastLearner:
    """Takes outcomes and themes of sessions in event order.

    Attributes:
        state: what was learned.
    """

    def __init__(self, state: LearnerState | None = None) -> None:
        """Begin, or go on from the stored state of an earlier learner, which is changed.

        Then call ``remember`` with the last hour, for the detectors.
        """
        self.state = state or LearnerState()
        self._monitor = DriftMonitor()

    def begin_epoch(self, epoch: str, themes: int) -> None:
        """Sessions have themes 0 to ``themes`` of this epoch from now on. Call it before the first session."""
        self.state.epoch = epoch
        self._monitor.begin_epoch(themes)

    def session(self, theme: int, at: int) -> list[DriftAlarm]:
        """Take the theme of a closed session, of the epoch that has begun, at its event time (ms)."""
        self.state.at = max(self.state.at, at)
        return self._judged(self._monitor.session(theme, at))

    def outcome(self, outcome: Outcome, arm: str = CHAMPION) -> list[DriftAlarm]:
        """Learn from what became of an answer, unless a fixed limit is passed."""
        if outcome.trigger == "test" or outcome.shown_by == "nothing":
            return []
        state = self.state.arms.setdefault(arm, ArmState())
        self.state.at = max(self.state.at, outcome.window_end)
        broken = bool(state.limits.broken())
        found, expected, clicks = [], 0.0, 0
        if (calibration := self._calibration(state, outcome)) is not None:
            for shown in shown_of(outcome):
                p = calibration.p(shown)
                if p is not None:
                    expected += p
                    clicks += shown.clicked
                if not broken:
                    found += self._residual(calibration, arm, shown, p, outcome.window_end)
                    calibration.learn(shown)
        self._compare_served(outcome, arm)
        state.limits.add(Answered(outcome.fallback.reason if outcome.fallback else None, expected, clicks))
        if not broken:
            found += [
                DriftAlarm("limit", arm, None, outcome.window_end, allowed, value, "stop", name)
                for name, (value, allowed) in state.limits.broken().items()
            ]
        raised = self._judged(iter(found))
        for alarm in raised:
            self._answer(alarm)
        return raised

    def remember(self, outcome: Outcome, arm: str = CHAMPION) -> None:
        """Show the detectors an outcome that was learned before they were made anew."""
        state = self.state.arms.get(arm)
        if state is None or outcome.trigger == "test" or outcome.shown_by == "nothing":
            return
        if (calibration := self._calibration(state, outcome)) is not None:
            for shown in shown_of(outcome):
                self._residual(calibration, arm, shown, calibration.p(shown), outcome.window_end)

    def remember_session(self, theme: int, at: int) -> None:
        """Show the detectors the theme of a session that was learned before they were made anew."""
        list(self._monitor.session(theme, at))

    def weights(self, arm: str = CHAMPION) -> FastWeights | None:
        """What the service should use; None before anything is known."""
        state = self.state.arms.get(arm, ArmState())
        found = {}
        for version, model in sorted(state.models.items()):
            calibration = model.calibration()
            if calibration.curve is not None:
                found[version] = ModelWeights.of(calibration.curve, calibration.offsets())
        return FastWeights(arm=arm, as_of=self.state.at, models=found) if found else None

    def arms(self) -> set[str]:
        """The arms of which something is known."""
        return {*self.state.arms, *self.state.served}

    def forget(self, arm: str) -> None:
        """Drop what was learned in an arm."""
        self.state.arms.pop(arm, None)
        self.state.served.pop(arm, None)

    def broken(self) -> dict[str, list[str]]:
        """Arms that learn nothing now -> the limits that are passed."""
        return {arm: sorted(state.limits.broken()) for arm, state in self.state.arms.items() if state.limits.broken()}

    def _calibration(self, state: ArmState, outcome: Outcome) -> Calibration | None:
        """Where the outcome is learned; None if the model has not ranked with all that it reads."""
        if outcome.fallback is not None or outcome.score_level is None:
            return None
        model = state.models.get(outcome.model_version)
        if model is None:
            if len(state.models) >= MODELS:
                oldest = min(state.models, key=lambda version: (state.models[version].seen_at, version))
                del state.models[oldest]
            model = state.models[outcome.model_version] = ModelState()
        model.seen_at = max(model.seen_at, outcome.window_end)
        return model.by_impressions if outcome.shown_by == "impressions" else model.by_request

    def _compare_served(self, outcome: Outcome, arm: str) -> None:
        """Compare the probabilities of the answer with its clicks, where items were displayed as they were ranked."""
        for rank, item in enumerate(outcome.items):
            if item.p_click is not None and item.position == rank:
                self.state.served.setdefault(arm, Cell()).add(item.p_click, clicked=item.clicks > 0)

    def _residual(self, calibration: Calibration, arm: str, shown: Shown, p: float | None, at: int) -> list[DriftAlarm]:
        if p is None or calibration.bins.seen < WATCHED:
            return []
        return list(self._monitor.impression(arm, shown.theme, at, p=p, clicked=shown.clicked))

    def _judged(self, alarms: Iterator[DriftAlarm]) -> list[DriftAlarm]:
        judged = map(self.state.hold_off.judge, alarms)
        return [alarm for alarm in judged if alarm is not None]

    def _answer(self, alarm: DriftAlarm) -> None:
        """The cure of a calibration is ours: what was counted before the drift is to count less."""
        if alarm.signal != "calibration":
            return
        for model in self.state.arms[alarm.arm].models.values():
            for calibration in (model.by_impressions, model.by_request):
                calibration.forget(KEPT_AFTER_ALARM, theme=alarm.theme)


def shown_of(outcome: Outcome) -> list[Shown]:
    """The items of an answer of the model that were displayed, as the calibration takes them."""
    level = outcome.score_level
    assert level is not None  # noqa: S101 - the caller has looked
    return [
        Shown(item.score - level, item.position, item.theme, item.clicks > 0)
        for item in outcome.items
        if item.position is not None
    ]
