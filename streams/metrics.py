"""What the worker counts; served at /metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

OPEN_SESSIONS = Gauge("mos_open_sessions", "Users with an open session.")
OPEN_EVENTS = Gauge("mos_open_events", "Events that wait for their session to close.")
WATERMARK = Gauge(
    "mos_watermark_timestamp_seconds", "Event time up to which a partition of clicks is complete.", ["partition"]
)
LAG = Gauge("mos_lag_records", "Records of our partitions that have not been worked off and committed.", ["processor"])
CLICKS = Counter("mos_clicks_total", "Clicks taken, those of the re-read log after a start included.")
SESSIONS_CLOSED = Counter("mos_sessions_closed_total", "Sessions published.", ["reason"])
LATE_EVENTS = Counter("mos_late_events_total", "Clicks older than their partition's watermark.")
DUPLICATES = Counter("mos_duplicates_total", "Clicks whose event_id the open session already has.")
UNKEYED = Counter("mos_unkeyed_total", "Click messages without a key: a user's may lie in several partitions.")
DEAD_LETTERS = Counter("mos_dead_letters_total", "Records that could not be used.", ["reason"])
PROFILES_WRITTEN = Counter("mos_profiles_written_total", "Rows of user_state written.")
RECOMMENDATIONS = Counter("mos_recommendations_total", "Recommendations published.")
STORE_RETRIES = Counter("mos_store_retries_total", "Failed calls of the online store, tried again.")
SERVING_RETRIES = Counter("mos_serving_retries_total", "Failed calls of the recommendation service, tried again.")
STAGE_SECONDS = Histogram(
    "mos_stage_seconds",
    "Duration of a stage of one batch.",
    ["processor", "stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DELAY_SECONDS = Histogram(
    "mos_delay_seconds",
    "From the moment a session may close (the arrival of the click that lets it, by Kafka's timestamp, or the moment "
    "at which the wall clock may) until what follows from it is on its topic.",
    ["topic"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)


def observe_delay(topic: str, headers: Mapping[str, bytes]) -> None:
    """Note that a consequence of a record with these headers has been published to ``topic``."""
    closable_at = headers.get("closable_at", b"")
    if closable_at.isdigit():
        DELAY_SECONDS.labels(topic).observe(max(0.0, time.time() - int(closable_at) / 1000))
