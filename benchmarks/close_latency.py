"""From the moment a session may close to its record on the topic, on Apache Kafka, at a steady rate of live clicks.

    python benchmarks/close_latency.py [--rate 5000] [--seconds 30]

The broker stamps every session record when it appends it (LogAppendTime); the record's header ``closable_at`` says
when the session might close. Both are clocks of this machine. Sessions closed by event time (another click moved the
watermark) and those closed by the wall clock (after the last click of all) are told apart.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from mos_online import contracts
from mos_online.contracts import Click
from mos_online.kafka_config import librdkafka_config, producer_config
from mos_online.ports import free_port
from mos_online.settings import Settings
from streams.broker.apache import apache_broker
from streams.kafka.log_reader import LogReader

PARTITIONS = 4
GAP = 5.0
USERS = 20_000
STEP = 0.01


def main() -> None:
    """Run once and print one line per kind of closing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=5_000, help="clicks per second")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mos-bench-") as folder,
        apache_broker(Path(folder), port=free_port()) as kafka,
    ):
        port = free_port()
        variables = {
            "MOS_KAFKA": kafka.bootstrap,
            "MOS_NAMESPACE": f"latency-{uuid4().hex[:8]}-",
            "MOS_PARTITIONS": str(PARTITIONS),
            "MOS_HOME": folder,
            "MOS_SESSION_GAP": str(GAP),
            "MOS_SESSION_LATENESS": "1",
            "MOS_WORKER_PORT": str(port),
        }
        settings = Settings.load(**{name.removeprefix("MOS_").lower(): value for name, value in variables.items()})
        stamped(settings)
        environment = {n: v for n, v in os.environ.items() if not n.startswith("MOS_")} | variables
        subprocess.run([sys.executable, "-m", "mos_cli", "topics", "create"], env=environment, check=True, stdout=-3)
        worker = subprocess.Popen(
            [sys.executable, "-m", "mos_cli", "worker", "--only", "sessionizer"], env=environment, stderr=-3
        )
        try:
            until_ready(port)
            sent, took = send(settings, options.rate, options.seconds)
            last = time.time() * 1000
            time.sleep(GAP + 1 + settings.session_idle_timeout + 3)
            report(settings, sent, took, last)
        finally:
            worker.terminate()
            worker.wait()


def stamped(settings: Settings) -> None:
    """Create the topic of sessions so that the broker stamps its records."""
    admin = AdminClient(librdkafka_config(settings))
    topic = NewTopic(
        settings.topic(contracts.SESSIONS),
        num_partitions=PARTITIONS,
        replication_factor=1,
        config={"message.timestamp.type": "LogAppendTime"},
    )
    admin.create_topics([topic])[topic.topic].result(30)


def until_ready(port: int) -> None:
    """Wait for the worker."""
    for _ in range(300):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/healthz").is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the worker does not become ready")


def send(settings: Settings, rate: int, seconds: float) -> tuple[int, float]:
    """Clicks of random users, now, evenly spread; returns how many in how many seconds."""
    producer, chance = Producer(producer_config(settings)), random.Random(0)
    topic, began, sent = settings.topic(contracts.CLICKS), time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate:
            user = f"user{chance.randrange(USERS)}"
            now = time.time_ns() // 1_000_000
            click = Click(event_id=f"e{sent}", user_id=user, item_id="i", timestamp=now)
            producer.produce(topic, contracts.encode(click), user)
            sent += 1
        producer.poll(0)
        time.sleep(STEP)
    producer.flush()
    return sent, time.monotonic() - began


def report(settings: Settings, sent: int, took: float, last: float) -> None:
    """Print the delays; ``last`` (ms) is when the last click was sent."""
    reader, topic = LogReader(settings), settings.topic(contracts.SESSIONS)
    delays: dict[str, list[int]] = {"event time": [], "wall clock": []}
    for partition in range(PARTITIONS):
        for message in reader.read(topic, partition, *reader.bounds(topic, partition)):
            closable_at = int(dict(message.headers() or [])["closable_at"])
            kind = "event time" if closable_at <= last else "wall clock"
            delays[kind].append(message.timestamp()[1] - closable_at)
    print(f"{sent:,} clicks at {sent / took:,.0f}/s of {USERS:,} users, gap {GAP:.0f} s, {PARTITIONS} partitions\n")
    print("| closed by | sessions | p50 ms | p90 ms | p99 ms | most ms |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind, found in delays.items():
        p50, p90, p99, most = np.percentile(found, [50, 90, 99, 100])
        print(f"| {kind} | {len(found):,} | {p50:.0f} | {p90:.0f} | {p99:.0f} | {most:.0f} |")


if __name__ == "__main__":
    main()
