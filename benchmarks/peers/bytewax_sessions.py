"""Bytewax: session windows on the event clock (one per user), its Kafka connector, no recovery store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from job import GAP_MS, LATENESS_MS, job

task = job()


def clicks(message: Any) -> list[tuple[str, dict[str, Any]]]:
    """The clicks of a message, by user."""
    value = orjson.loads(message.value)
    user = value["user_id"]
    some = value["clicks"] if task.envelopes else (value,)
    return [(user, {name: c[name] for name in ("event_id", "item_id", "timestamp")}) for c in some]


def session(closed: tuple[str, tuple[int, list[dict[str, Any]]]]) -> KafkaSinkMessage:
    """The record that is published."""
    user, (_, events) = closed
    times = [e["timestamp"] for e in events]
    value = {"user_id": user, "started_at": min(times), "ended_at": max(times), "events": events}
    return KafkaSinkMessage(user.encode(), orjson.dumps(value))


flow = Dataflow("sessions")
source = kop.input("clicks", flow, brokers=[task.bootstrap], topics=[task.source])
clock: Any = win.EventClock(
    lambda event: datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
    wait_for_system_duration=timedelta(milliseconds=LATENESS_MS),
    # By default the wall clock wakes it for windows that may be due, which closes the sessions of users who are gone.
    # In a replay it then looks at all of them all the time.
    **({} if task.variant == "wake" else {"to_system_utc": lambda _: None}),
)
windower = win.SessionWindower(gap=timedelta(milliseconds=GAP_MS))
windows = win.collect_window("sessions", op.flat_map("decode", source.oks, clicks), clock, windower)
kop.output("out", op.map("encode", windows.down, session), brokers=[task.bootstrap], topic=task.target)

if __name__ == "__main__":
    cli_main(flow)
