"""What the learner measures; served at /metrics.

A name is ``mos_<subsystem>_<what>_<unit>``, with ``_total`` for counters. Names and labels are a contract with whoever
draws graphs of them or raises alarms: a change goes into the CHANGELOG.
"""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import Counter, Gauge

RECORDS = Counter("mos_learner_records_total", "Records taken.", ["topic"])
REPEATS = Counter("mos_learner_repeated_records_total", "Records that were published twice, and count once.", ["topic"])
REFUSED = Counter("mos_learner_refused_records_total", "Records that could not be used.", ["topic", "reason"])
LOST = Counter("mos_learner_lost_records_total", "Records that Kafka dropped before they were read.", ["topic"])
LATE = Counter("mos_learner_late_records_total", "Records that came after their cell of event time was given out.")
HELD = Gauge("mos_learner_held_records", "Records that wait until no partition can bring an earlier one.")
EVENT_TIME = Gauge("mos_learner_event_time_timestamp_seconds", "Event time before which everything is learned.")
LOG_BYTES = Gauge("mos_learner_log_bytes", "Size of the learner's log on the disk.")
STEP_SECONDS = Counter("mos_learner_step_seconds_total", "Time that the parts have worked.", ["part"])
FAILURES = Counter("mos_learner_failures_total", "Steps of a part that failed, to be tried again.", ["part"])
ALARMS = Counter("mos_learner_alarms_total", "What a part asked others to act on.", ["part", "trigger"])
CLICK_RATIO = Gauge(
    "mos_learner_click_ratio", "Clicks, by those that the served probabilities expected, of late.", ["arm"]
)
DRIFT_ALARMS = Counter("mos_learner_drift_alarms_total", "Drifts that were found.", ["signal"])
HELD_ALARMS = Gauge("mos_learner_held_off_alarms", "Alarms that were held off, since learning began.", ["signal"])
LEARNING_STOPPED = Gauge(
    "mos_learner_stopped_info", "1 while a fixed limit is passed and an arm learns nothing.", ["arm"]
)


def forget_arm(arm: str) -> None:
    """Tell no more of an arm that has ended."""
    for gauge in (CLICK_RATIO, LEARNING_STOPPED):
        with suppress(KeyError):
            gauge.remove(arm)
