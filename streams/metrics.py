"""What the worker measures; served at /metrics.

A name is ``mos_<subsystem>_<what>_<unit>``, with ``_total`` for counters. Names and labels are a contract with whoever
draws graphs of them or raises alarms: a change goes into the CHANGELOG.
"""

from __future__ import annotations

import time

from prometheus_client import Counter, Gauge, Histogram

# Of every processor, which is a consumer of its topic.
LAG = Gauge(
    "mos_consumer_lag_records", "Records of our partitions that have not been worked off and committed.", ["processor"]
)
STALE_MODEL = Gauge(
    "mos_consumer_stale_model_info",
    "1 while the model in service cannot be read and an older one is used.",
    ["processor"],
)
STAGE_SECONDS = Histogram(
    "mos_consumer_stage_duration_seconds",
    "Duration of one stage of the work on a batch.",
    ["processor", "stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RETRIES = Counter(
    "mos_consumer_retries_total",
    "Failed calls of another service (kafka; store: the online store; serving: the recommendation service), tried "
    "again.",
    ["processor", "service"],
)
DEAD_LETTERS = Counter("mos_dead_letters_total", "Records that could not be used.", ["processor", "reason"])
DELAY_SECONDS = Histogram(
    "mos_session_delay_seconds",
    "From the moment a session may close (the arrival of the click that lets it, or the moment "
    "at which the wall clock may) until what follows from it is on its topic.",
    ["topic"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)

# Of the sessionizer.
OPEN_SESSIONS = Gauge("mos_sessionizer_open_sessions", "Users with an open session.")
OPEN_EVENTS = Gauge("mos_sessionizer_open_events", "Events that wait for their session to close.")
WATERMARK = Gauge(
    "mos_sessionizer_watermark_timestamp_seconds",
    "Event time up to which a partition of clicks is complete.",
    ["partition"],
)
CLICKS = Counter(
    "mos_sessionizer_clicks_total", "Clicks taken, including those of the log that is read again after a start."
)
SESSIONS_CLOSED = Counter("mos_sessionizer_closed_sessions_total", "Sessions published.", ["reason"])
LATE_EVENTS = Counter("mos_sessionizer_late_events_total", "Clicks older than their partition's watermark.")
DUPLICATES = Counter(
    "mos_sessionizer_duplicate_clicks_total", "Clicks whose event_id is in the user's open session already."
)
EXPOSURES = Counter(
    "mos_sessionizer_exposures_total", "Events of a type that MOS_EVENT_TYPES calls an exposure; no session takes them."
)
UNDECLARED_TYPES = Counter(
    "mos_sessionizer_undeclared_types_total", "Events of a type that MOS_EVENT_TYPES does not name; the log names some."
)
PRODUCER_TIMES = Counter(
    "mos_sessionizer_producer_time_records_total",
    "Records of clicks with their producer's timestamp (CreateTime), whose arrival is therefore the worker's clock.",
)
UNKEYED = Counter(
    "mos_sessionizer_unkeyed_messages_total",
    "Click messages without a key: the clicks of one user may lie in several partitions.",
)

# Of the joiner.
JOINED = Counter(
    "mos_feedback_records_total",
    "What became of decisions, impressions and clicks: late, duplicate, orphan (they name no open decision), clicks by "
    "request or by item, or unattributed.",
    ["outcome"],
)
OUTCOMES = Counter("mos_feedback_outcomes_total", "Outcomes published.", ["trigger", "shown_by"])
OPEN_DECISIONS = Gauge("mos_feedback_open_decisions", "Decisions that wait for their window to close.")
JOIN_WATERMARK = Gauge(
    "mos_feedback_watermark_timestamp_seconds", "Event time up to which a partition is joined.", ["partition"]
)
SHOWN_ITEMS = Counter("mos_feedback_shown_items_total", "Recommended items that were shown.", ["shown_by", "theme"])
CLICKED_ITEMS = Counter(
    "mos_feedback_clicked_items_total", "Of the shown items, those that were clicked.", ["shown_by", "theme"]
)
ITEM_POPULARITY = Counter(
    "mos_feedback_popularity_sum_total",
    "Sum of the shares of all clicks that items had when they were shown, or clicked.",
    ["of"],
)
POPULARITY_ITEMS = Counter("mos_feedback_popularity_items_total", "How many items these were.", ["of"])

# Of the others.
PROFILES_WRITTEN = Counter("mos_profiler_written_profiles_total", "Rows of user_state written.")
INCOMPLETE_PARTITIONS = Gauge(
    "mos_profiler_incomplete_partitions_info", "Number of our partitions of which the online store has lost sessions."
)
DAMAGED_PROFILES = Counter(
    "mos_profiler_damaged_profiles_total", "Rows of user_state that could not be read and were set aside."
)
RECOMMENDATIONS = Counter("mos_recommender_recommendations_total", "Recommendations published.")
OLD_SESSIONS = Counter(
    "mos_recommender_old_sessions_total", "Sessions that closed more than a day ago: nothing is recommended for them."
)


def observe_delay(topic: str, closable_at: int | None) -> None:
    """Note that a consequence of a record that could come about at this time (ms) has been published to ``topic``."""
    if closable_at is not None:
        DELAY_SECONDS.labels(topic).observe(max(0.0, time.time() - closable_at / 1000))
