"""Popularity with a real worker and the real service: whom it cannot be moved by, and that a kill changes no count."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import AcceptedClicks, Click
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.registry import open_registry
from streams.kafka.log_reader import LogReader
from tests.integration.serve_process import Serve, put_model
from tests.integration.stream_system import StreamSystem, stream_system
from tests.model_folder import put_into_service, write_config

pytestmark = pytest.mark.slow

YEAR = 365 * 86_400_000


class Shop:
    """Sends clicks of the present and looks at what they make of the popularity."""

    def __init__(self, system: StreamSystem) -> None:
        self.system = system
        self.store = OnlineStore.open(system.settings)
        self.sent = 0

    def click(self, user: str, item: str, *, event_id: str | None = None, ahead: int = 0, kind: str = "view") -> Click:
        self.sent += 1
        now = time.time_ns() // 1_000_000
        return Click(
            event_id=event_id or f"e{self.sent}", user_id=user, item_id=item, timestamp=now + ahead, event_type=kind
        )

    def send(self, clicks: Iterable[Click]) -> None:
        records = [(click.user_id, contracts.encode(click)) for click in clicks]
        self.system.send(contracts.CLICKS, records, timestamp=time.time_ns() // 1_000_000)

    def counts(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for row in self.store.read_popularity(self.system.partitions):
            for item, count in zip(row.item_ids, row.slow_counts, strict=True):
                found[item] = found.get(item, 0.0) + count
        return found

    def co_clicks(self) -> list[CoClickSnapshot]:
        rows = (self.store.read_co_clicks(number) for number in range(self.system.partitions))
        return [row for row in rows if row is not None]

    def counted(self, item: str, clicks: int) -> None:
        """Wait until an item has so many clicks in the store."""
        self.system.until(lambda: self.counts().get(item, 0) > clicks - 0.5, f"{clicks} clicks of {item} are counted")


@contextmanager
def service(system: StreamSystem, folder: Path, port: int) -> Iterator[Serve]:
    serve = Serve(folder=folder, port=port, PARTITIONS=str(system.partitions))
    try:
        yield serve
    finally:
        serve.stop(signal.SIGTERM)


def test_nobody_makes_an_item_popular_by_repeats_impressions_a_few_users_or_a_wrong_clock(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    put_model(tmp_path / "mos", seed=0)
    with (
        stream_system(tmp_path / "mos", free_port(), MOS_NAMESPACE="") as system,
        service(system, tmp_path, free_port()) as serve,
    ):
        system.worker("sessionizer,popularity")
        shop = Shop(system)

        def answer() -> list[str]:
            got = serve.client.post("/v1/recommend", json={"user_id": "a stranger", "k": 10})
            return [item["item_id"] for item in got.json()["items"]]

        popular = [f"a{n}" for n in range(10)]
        for number, item in enumerate(popular):
            shop.send(shop.click(f"u{user}", item) for user in range(40 - 2 * number))
        serve.until(lambda: answer() == popular)

        shop.send(
            [
                *[shop.click("one user", "repeated", event_id="the same")] * 3000,
                *(shop.click("greedy", "b9") for _ in range(3000)),
                *(shop.click(f"v{n}", "shown", kind="Impression ") for n in range(200)),
                *(shop.click(f"sybil {n}", "garbage") for n in range(50)),
                *(shop.click(f"early {n}", f"b{n}", ahead=YEAR) for n in range(10)),
                *(shop.click(f"late {n}", "b8", ahead=-3_600_000) for n in range(300)),
            ]
        )
        shop.send(shop.click(f"marker {n}", "a0") for n in range(30))  # behind the attack, in every partition
        shop.counted("a0", 70)
        counts = shop.counts()
        assert counts["repeated"] == pytest.approx(1, abs=0.1)
        assert counts["b9"] == pytest.approx(5, abs=0.1)
        assert counts["garbage"] == pytest.approx(50, abs=0.5)
        assert counts.keys() == {*popular, "repeated", "b9", "garbage"}
        assert counts["a9"] == pytest.approx(22, abs=0.5), "nothing has faded"
        for _ in range(3):
            assert answer() == popular

        shop.send(shop.click(f"customer {n}", "garbage") for n in range(100))  # so many users make a new item known
        serve.until(lambda: answer()[0] == "garbage")


def test_workers_that_are_killed_count_every_click_once(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Each is killed when it has acknowledged clicks that are in no row yet, because the store takes no write.

    The same users go on after each kill, so that their clicks go with those that they made before.
    """
    random = Random(7)
    with stream_system(tmp_path / "mos", free_port()) as system:
        put_into_service(open_registry(system.settings), write_config(tmp_path / "model", "m1"))
        shop = Shop(system)
        expected: dict[str, int] = {}
        pairs = CoClicks(half_life_ms=1e12, window_ms=system.settings.sessions.gap)

        def send() -> None:
            clicks = [shop.click(f"user {n}", f"i{random.randrange(20)}") for n in range(100)]
            for click in clicks:
                expected[click.item_id] = expected.get(click.item_id, 0) + 1
                pairs.add(click.user_id, click.item_id, click.timestamp)
            shop.send(clicks)

        for number in range(3):
            worker = system.worker("sessionizer,popularity")
            send()
            shop.send(shop.click(f"mark {number}.{n}", f"mark {number}") for n in range(30))
            shop.counted(f"mark {number}", 30)
            with closing(sqlite3.connect(system.settings.feast_dir / "online_store.db")) as other:
                other.execute("BEGIN EXCLUSIVE")
                send()  # in no row
                system.until(lambda: acknowledged(system, shop.sent), "everything is acknowledged")
                send()  # on its way
                worker.send_signal(signal.SIGKILL)
                worker.wait()
        system.worker("sessionizer,popularity")
        shop.send(shop.click(f"last {n}", "last") for n in range(60))
        shop.counted("last", 60)
        marks = {f"mark {number}": 30 for number in range(3)}
        assert shop.counts() == pytest.approx({**expected, **marks, "last": 60}, rel=1e-3)
        whole = pytest.approx(weights([pairs.snapshot()]), rel=1e-2)
        system.until(lambda: weights(shop.co_clicks()) == whole, "each pair counts once")


def weights(snapshots: Iterable[CoClickSnapshot]) -> dict[tuple[str, str], float]:
    """The co-clicks of all partitions together."""
    found: dict[tuple[str, str], float] = {}
    for one in snapshots:
        lengths, neighbours, values = one.columns()
        owners = np.repeat(np.arange(len(lengths)), lengths).tolist()
        for owner, other, weight in zip(owners, neighbours.tolist(), values.tolist(), strict=True):
            pair = one.item_ids[owner], one.item_ids[other]
            found[pair] = found.get(pair, 0.0) + weight
    return found


def acknowledged(system: StreamSystem, clicks: int) -> bool:
    """Whether so many clicks are accepted, and the popularity has acknowledged all of them."""
    reader, topic = LogReader(system.settings), contracts.ACCEPTED_CLICKS
    found: set[tuple[int, int]] = set()  # after a crash some are published again
    for record in system.records(topic):
        message = msgspec.json.decode(record.value or b"", type=AcceptedClicks)
        found |= {(record.partition, position) for position, *_ in message.clicks()}
    name = system.settings.topic(topic)
    ends = {number: reader.bounds(name, number)[1] for number in range(system.partitions)}
    return len(found) == clicks and all(
        reader.committed("popularity", name, number) == end for number, end in ends.items()
    )
