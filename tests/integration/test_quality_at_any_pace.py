"""One model has the same quality offline, live and in a replay of any speed, if the replay waits for the service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
import torch

from mos_cli.demo.run import PARTS
from mos_online.contracts import AcceptedClick, AcceptedClicks, Click, SessionEvent, decode_clicks
from mos_online.items.partition_co_clicks import PartitionCoClicks
from mos_online.items.partition_count import PartitionCount
from mos_online.items.update_schedule import ReadSchedule, WriteSchedule
from mos_online.items.user_limits import UserLimits
from mos_online.metrics.ranking import Estimate, ndcg, paired_difference
from mos_online.model import MoS, MoSConfig
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.co_clicks import FACTS
from mos_online.model.mixing import SOURCES
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.sessions import SessionConfig
from mos_online.themes import Router
from simulator.dataset import EVENT_COLUMNS
from simulator.replay import FreshnessGuard, Replay, ReplayConfig, Speed
from tests.simulator.test_replay import NOW, Time, Topic

HALF_LIFE = 900_000
CLICKS, EVERY, ARTICLES = 1200, 5, 100
BETWEEN = 2500
"""Milliseconds between two clicks: at 400 clicks in a second, event time runs 1000 times as fast as the clock."""

GAP = SessionConfig().gap
DELAY, WRITE, READ = 0.25, 0.03, 0.06
"""Seconds: until a click is counted, and of a write and a reading."""

NAMES = [f"article {n}" for n in range(ARTICLES)]


def news() -> pl.DataFrame:
    """Articles appear all the time, and each loses half of its readers in a half-life."""
    random = np.random.default_rng(3)
    times = BETWEEN * np.arange(CLICKS)
    born = random.uniform(-2 * HALF_LIFE, times[-1], ARTICLES)
    appeal = random.lognormal(0, 1.5, ARTICLES)
    age = times[:, None] - born
    readers = np.where(age >= 0, appeal * 0.5 ** (age / HALF_LIFE), 0)
    chosen = (readers.cumsum(1) / readers.sum(1, keepdims=True) < random.uniform(size=(CLICKS, 1))).sum(1)
    columns = {
        "user_id": [f"u{n}" for n in random.integers(0, 400, CLICKS)],
        "item_id": [NAMES[n] for n in chosen],
        "event_id": [f"e{n}" for n in range(CLICKS)],
        "timestamp": (NOW - 10**9 + times).tolist(),
        "event_type": ["click"] * CLICKS,
    }
    none = {name: [None] * CLICKS for name in EVENT_COLUMNS if name not in columns}
    return pl.DataFrame(columns | none).with_columns(pl.col("session_id").cast(pl.String))


def recommender() -> Recommender:
    """Ranks by what is popular now, as a model that has learned nothing does, and by neighbours."""
    torch.manual_seed(0)
    model = MoS(MoSConfig(backbone="pooling", items=ARTICLES, themes=2, width=8, table=16))
    router = Router(
        items=NAMES,
        table=np.eye(2, 16, dtype=np.float32)[np.arange(ARTICLES) % 2],
        prototypes=np.eye(2, 16, dtype=np.float32),
        category_rows=[],
        category_table=np.zeros((0, 16), np.float32),
        categories={},
        tau=0.5,
        labels=["unrouted", "one", "two"],
        config={},
    )
    model.item_theme[1 : ARTICLES + 1] = torch.from_numpy(router.item_themes(NAMES, [None] * ARTICLES))
    model.mixing.set_weights(torch.full((SOURCES, FACTS), -1.0))
    return Recommender(
        ModelCheckpoint(
            model=model,
            router=router,
            items=NAMES,
            categories=[],
            popular=NAMES,
            half_life_ms=HALF_LIFE,
            co_click_half_life_ms=4 * HALF_LIFE,
            training={},
        )
    )


@dataclass
class System:
    """Worker, store and one replica, with the schedules of the real ones, on the clock of a test."""

    topic: Topic
    delay: float = DELAY
    replica: Recommender = field(default_factory=recommender)
    counted: int = 0
    at: float = 1000.0

    def __post_init__(self) -> None:
        limits = UserLimits(per_item=5.0, in_all=100.0)
        self.counts = [
            PartitionCount(half_life_ms=HALF_LIFE, gap_ms=GAP, partition=n, limits=limits)
            for n in range(self.topic.partitions)
        ]
        self.pairs = [
            PartitionCoClicks(half_life_ms=4 * HALF_LIFE, window_ms=GAP, partition=n, limits=limits)
            for n in range(self.topic.partitions)
        ]
        self.row = [one.snapshot() for one in self.counts]
        self.together = [one.snapshot() for one in self.pairs]
        self.known: dict[tuple[str, int], int] = {}
        self.writes, self.reads = WriteSchedule(longest=1.0), ReadSchedule(longest=1.0)

    def run_to(self, now: float) -> None:
        """Let the time pass until now."""
        while self.at < now:
            self.at = min(self.at + 0.05, now)
            self._count()
            behind = max(count.as_of - row.as_of for count, row in zip(self.counts, self.row, strict=True))
            if behind and self.writes.due(self.at, behind, HALF_LIFE):
                self.row = [one.snapshot() for one in self.counts]
                self.together = [one.snapshot() for one in self.pairs]
                self.writes.wrote(self.at, self.at + WRITE)
            if not self.reads.waits(self.at):
                self.read()
                newest = max(row.as_of for row in self.row)
                self.reads.read(self.at, self.at + READ, newest, HALF_LIFE)

    def read(self) -> None:
        """Take up what is in the store."""
        self.replica.observe_popularity(self.row)
        self.replica.observe_co_clicks(self.together)
        for one in self.row:
            self.known["popularity", one.partition] = one.as_of

    def know_all(self) -> None:
        """Count every click that was sent, and know it at once."""
        self.delay = 0.0
        self._count()
        self.row, self.together = [one.snapshot() for one in self.counts], [one.snapshot() for one in self.pairs]
        self.read()

    def _count(self) -> None:
        records = self.topic.records
        while self.counted < len(records):
            record, number = records[self.counted], self.counted
            if record.arrived_at > NOW + (self.at - 1000.0 - self.delay) * 1000 and self.delay:
                return
            self.counted += 1
            message = decode_clicks(record.value)
            if isinstance(message, list):
                click = message[0]
                accepted = AcceptedClicks.of(
                    "a log", [AcceptedClick(1000 * number, click.timestamp, 1.0, click.user_id, click.item_id)]
                )
                self.counts[record.partition].take(accepted, offset=number)
                self.pairs[record.partition].take(accepted, offset=number)


def quality(speed: str, *, waits: bool = True, offline: bool = False) -> list[float]:
    """NDCG@10 of one click in ``EVERY``, each asked for just before it is sent."""
    topic = Topic(partitions=2, time=Time())
    system, found = System(topic), list[float]()
    sessions: dict[str, list[Click]] = defaultdict(list)
    seen = 0

    def before(click: Click) -> None:
        nonlocal seen
        seen += 1
        if seen % EVERY == 0:
            system.know_all() if offline else system.run_to(topic.time.seconds)
            events = [
                SessionEvent(event_id=one.event_id, item_id=one.item_id, timestamp=one.timestamp)
                for one in sessions[click.user_id]
                if click.timestamp - one.timestamp <= GAP
            ]
            query = Query(
                user_id=click.user_id, profile=None, events=events, timestamp=click.timestamp, k=10, exclude=[]
            )
            (ranking,) = system.replica.recommend([query])
            found.append(ndcg([item.item_id for item in ranking.items], click.item_id))
        sessions[click.user_id].append(click)

    def ask() -> dict[tuple[str, int], int]:
        system.run_to(topic.time.seconds)
        return dict(system.known)

    guard = FreshnessGuard(ask, {"popularity": HALF_LIFE / PARTS}, partitions=topic.partitions) if waits else None
    run = Replay(
        news(),
        topic,
        ReplayConfig(speed=Speed.parse(speed)),
        sessions=SessionConfig(),
        freshness=guard,
        before_click=before,
        clock=topic.time.clock,
    )
    for _ in run.run():
        pass
    assert guard is None or guard.given_up == 0
    return found


def minus(one: Sequence[float], other: Sequence[float]) -> Estimate:
    return paired_difference(one, other, [str(n // 5) for n in range(len(one))])


@pytest.mark.slow
def test_the_same_clicks_at_three_paces_and_offline() -> None:
    """A replay that does not wait loses a third of the quality, and one that waits as much as the noise."""
    offline = quality("max", waits=False, offline=True)
    differences = {speed: minus(quality(speed), offline) for speed in ("20/s", "400/s", "max")}
    assert all(one.mean > -0.05 for one in differences.values()), differences
    assert minus(quality("400/s", waits=False), offline).high < -0.05
