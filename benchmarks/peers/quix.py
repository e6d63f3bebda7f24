"""Quix Streams' own session windows, closed by the user's or by the partition's clock; RocksDB and a changelog."""

from __future__ import annotations

from typing import Any

from job import GAP_MS, LATENESS_MS, job
from quixstreams import Application
from quixstreams.dataframe.windows import aggregations

task = job()
app = Application(
    broker_address=task.bootstrap,
    consumer_group=task.group,
    auto_offset_reset="earliest",
    auto_create_topics=True,  # of changelogs
    state_dir=task.state,
    loglevel="WARNING",
)


def event(click: dict[str, Any]) -> dict[str, Any]:
    """What a session keeps of a click."""
    return {name: click[name] for name in ("event_id", "item_id", "timestamp")}


def session(window: dict[str, Any], user: str, *_: Any) -> dict[str, Any]:
    """The record that is published; the window's end is exclusive."""
    return {"user_id": user, "started_at": window["start"], "ended_at": window["end"] - 1, "events": window["events"]}


def timestamp(click: dict[str, Any], *_: Any) -> int:
    """Event time."""
    return int(click["timestamp"])


if task.envelopes:
    source = app.topic(task.source, key_deserializer="str", value_deserializer="json")
    frame = app.dataframe(source).apply(lambda envelope: envelope["clicks"], expand=True).set_timestamp(timestamp)
else:
    source = app.topic(
        task.source, key_deserializer="str", value_deserializer="json", timestamp_extractor=lambda v, *_: v["timestamp"]
    )
    frame = app.dataframe(source)
windows = frame.apply(event).session_window(GAP_MS, LATENESS_MS).agg(events=aggregations.Collect())
closed = windows.final(closing_strategy=task.variant).apply(session, metadata=True)
closed.to_topic(app.topic(task.target, key_serializer="str", value_serializer="json"))

if __name__ == "__main__":
    app.run()
