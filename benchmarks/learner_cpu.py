"""What the learner costs: seconds of processor time per 1,000 clicks, with all of its parts.

    python benchmarks/learner_cpu.py [--users 3000]

A synthetic log of sessions is on a broker inside this process, with an answer of ten items before each click, of which
one in three was clicked in the answer. A learner with all parts reads it as it comes: decodes it, puts it into the
order of event time, keeps it on the disk, learns click probabilities, watches for drift, and revises the
router. The processor time of the process is measured, so a busy machine changes little. The broker's own is in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl
from confluent_kafka import Producer
from fine_tuning_noise import sessions_of

from learning.learner import Learner
from learning.parts import learning_parts
from mos_online.contracts import Outcome, OutcomeItem, Session, encode
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from mos_online.training import TrainConfig, train
from simulator.population import SyntheticConfig, synthesize
from streams.broker.librdkafka import MockCluster

ITEMS = 10
AT_ONCE = 500
"""Sessions that are published at once: the broker keeps the newest 5 MiB of a partition."""

TOPICS = ("sessions", "outcomes", "learning-events", "router-updates")


def outcomes_of(sessions: Sequence[Session], items: Sequence[str], version: str) -> Iterator[Outcome]:
    """An answer before each click; one in three was clicked, at one of its first five places."""
    for session in sessions:
        for place, event in enumerate(session.events):
            shown = [items[(event.timestamp + 7 * number) % len(items)] for number in range(ITEMS)]
            yield Outcome(
                request_id=f"{session.session_id}-{place}",
                user_id=session.user_id,
                timestamp=event.timestamp,
                window_end=session.watermark,
                trigger="request",
                shown_by="request",
                items=[
                    OutcomeItem(
                        item_id=item,
                        score=-0.3 * number,
                        theme=number % 8,
                        position=number,
                        clicks=int(place % 3 == 0 and number == place % 5),
                        weight=1.0,
                        first_click_after=None,
                    )
                    for number, item in enumerate(shown)
                ],
                clicks_by_request=0,
                clicks_by_item=0,
                candidates=len(items),
                model_version=version,
                router_version="r",
                fallback=None,
                score_level=1.5,
            )


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=3000)
    options = parser.parse_args()
    log = synthesize(SyntheticConfig(users=options.users, themes=8, items_per_theme=40))
    clicks = log.clicks.sort("timestamp")
    past, new = clicks.head(len(clicks) // 3), clicks.tail(len(clicks) - len(clicks) // 3)
    broker = MockCluster()
    broker.create_topics(TOPICS, partitions=1)
    with tempfile.TemporaryDirectory() as home:
        registry = Registry(Path(home) / "models")
        config = TrainConfig(minutes=0.2, themes=8, threads=1, width=16, epochs=1)
        nameless = log.items.with_columns(category=pl.lit(None, pl.String))
        rules = SessionConfig()
        report = train(past, nameless, registry, sessions=rules, config=config, name="", on_progress=lambda *_: None)
        registry.promote(report.version, lambda _: None)
        sessions = sorted(sessions_of(new), key=lambda one: one.watermark)
        items = nameless["item_id"].to_list()
        producer = Producer({"bootstrap.servers": broker.bootstrap, "queue.buffering.max.messages": 1_000_000})
        settings = Settings.load(home=home, kafka=broker.bootstrap, session_idle_timeout=0.01, feedback_window=1.0)
        at_end = ExitStack()
        learner = Learner(settings, learning_parts(settings, at_end), check=lambda: None)
        spent, sent = 0.0, 0
        for begin in range(0, len(sessions), AT_ONCE):
            part = sessions[begin : begin + AT_ONCE]
            for topic, records in (("sessions", part), ("outcomes", outcomes_of(part, items, report.version))):
                for record in records:
                    producer.produce(topic, encode(record))
                    sent += 1
            producer.flush()
            began = time.process_time()
            while learner.intake.counts.total() < sent or not learner.caught_up:
                learner.turn()
            spent += time.process_time() - began
        status = learner.status()
        learner.close()
        at_end.close()
    broker.close()
    print(f"{len(new):,} clicks in {len(sessions):,} sessions, {len(new):,} answers of {ITEMS} items")
    print(f"{spent:.1f} s of processor time: {1000 * spent / len(new):.2f} s per 1,000 clicks")
    print(f"revision {status.parts['router']['revision']}, {status.bytes / 2**20:.1f} MiB on the disk")


if __name__ == "__main__":
    main()
