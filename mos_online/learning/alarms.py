"""Alarms: which follow from a detector, which are held off, and what each of them does."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from mos_online.contracts import LearningAction

EVENTS_PER_FALSE_ALARM = 100_000
"""The budget: all detectors together give at most one false alarm in so many events (impressions and sessions)."""

HOLD_OFF = 30 * 60_000
"""After an alarm a signal gives none for so long, in event time (ms): the cure needs time."""

REPEATED = 6 * 3_600_000
"""A second alarm of a signal within this time (ms) shows that the first cure was not enough."""

Signal = Literal["theme_share", "calibration", "loss", "limit"]

ACTIONS: Final[dict[Signal, tuple[LearningAction, LearningAction]]] = {
    "theme_share": ("router", "router-fit"),
    "calibration": ("fast-weights", "fine-tune"),
    "loss": ("fine-tune", "fine-tune"),
    "limit": ("stop", "stop"),
}
"""What follows from the first alarm of a signal, and from a second one soon after it."""


class DriftAlarm(NamedTuple):
    """A drift that was found.

    Attributes:
        signal: what is watched.
        arm: whose; sessions belong to no arm, and their alarms to "champion".
        theme: None if it is about all themes.
        at: event time, ms.
        before, after: what was watched, earlier and of late.
        action: what follows.
        detail: of a limit: which.
    """

    signal: Signal
    arm: str
    theme: int | None
    at: int
    before: float
    after: float
    action: LearningAction
    detail: str = ""


class HoldOff(msgspec.Struct, kw_only=True):
    """Remembers alarms, so that one drift does not alarm again and again.

    Attributes:
        last: signal, arm and theme, joined -> event time (ms) of the last alarm that was given.
        raised, held: alarms by signal that were given, and that were held off.
    """

    last: dict[str, int] = {}
    raised: dict[str, int] = {}
    held: dict[str, int] = {}

    def judge(self, alarm: DriftAlarm) -> DriftAlarm | None:
        """The alarm with the action that follows, or None if it is held off."""
        key = held_together(alarm)
        last = self.last.get(key)
        cured = self.last.get(held_together(alarm._replace(theme=None)))
        if any(at is not None and alarm.at - at < HOLD_OFF for at in (last, cured)):
            self.held[alarm.signal] = self.held.get(alarm.signal, 0) + 1
            return None
        again = last is not None and alarm.at - last < REPEATED
        self.last[key] = alarm.at
        self.raised[alarm.signal] = self.raised.get(alarm.signal, 0) + 1
        return alarm._replace(action=ACTIONS[alarm.signal][again])


def held_together(alarm: DriftAlarm) -> str:
    """Alarms of one key hold each other off: those of one cure. Each theme is calibrated for itself, or all are."""
    if alarm.signal == "calibration":
        return f"{alarm.signal} {alarm.arm} {'all' if alarm.theme is None else alarm.theme}"
    return f"{alarm.signal} {alarm.arm} {alarm.detail}"
