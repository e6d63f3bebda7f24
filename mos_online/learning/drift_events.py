"""What a drift alarm says: to operators, and to the other parts of the learner."""

from __future__ import annotations

from hashlib import blake2b

from mos_online.contracts import LearningEvent, LearningPart
from mos_online.learning.alarms import DriftAlarm, Signal
from mos_online.learning.canonical import canonical
from mos_online.learning.part import Alarm

PARTS: dict[Signal, LearningPart] = {
    "theme_share": "router",
    "calibration": "fast_weights",
    "loss": "model",
    "limit": "fast_weights",
}


def event_of(alarm: DriftAlarm) -> LearningEvent:
    """The record of ``learning-events``; the same alarm gives the same record."""
    return LearningEvent(
        event_id=blake2b(canonical(list(alarm)), digest_size=12).hexdigest(),
        timestamp=alarm.at,
        kind="alarm",
        part=PARTS[alarm.signal],
        arm=alarm.arm,
        signal=alarm.detail or alarm.signal,
        theme=alarm.theme,
        action=alarm.action,
        reason=reason_of(alarm),
        numbers={"before": alarm.before, "after": alarm.after},
    )


def alarm_of(alarm: DriftAlarm) -> Alarm:
    """What the other parts hear."""
    return Alarm(trigger=alarm.action, event_time=alarm.at, why=reason_of(alarm))


def reason_of(alarm: DriftAlarm) -> str:
    """One sentence for people: what was found, and what is expected."""
    before, after = alarm.before, alarm.after
    match alarm.signal:
        case "theme_share":
            of = f"theme {alarm.theme}" if alarm.theme else "no theme"
            return f"sessions of {of} were {before:.1%} of all, and are {after:.1%} of late"
        case "calibration":
            of = "all themes" if alarm.theme is None else f"theme {alarm.theme}"
            more = "more" if after > 0 else "fewer"
            return f"items of {of} get {more} clicks than expected: by {abs(after):.2f} standard deviations on average"
        case "loss":
            return (
                f"scores of theme {alarm.theme} say less than they did: the log loss is {after:.3f} above what it was"
            )
        case "limit":
            return f"{alarm.detail} is {after:.2f}, allowed are {before:.2f}: nothing is learned until it holds again"
