"""Popularity with a real worker and the real service: whom it cannot be moved by, and that a kill changes no count."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Click
from mos_online.registry import open_registry
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
    random = Random(7)
    with stream_system(tmp_path / "mos", free_port()) as system:
        put_into_service(open_registry(system.settings), write_config(tmp_path / "model", "m1"))
        shop = Shop(system)
        expected: dict[str, int] = {}
        for round_ in range(4):
            worker = system.worker("sessionizer,popularity")
            for batch in range(3):
                items = [f"i{random.randrange(20)}" for _ in range(100)]
                for item in items:
                    expected[item] = expected.get(item, 0) + 1
                shop.send(shop.click(f"u{round_}.{batch}.{n}", item) for n, item in enumerate(items))
                if batch < 2:
                    time.sleep(random.random())  # let it be killed anywhere between two writes
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        system.worker("sessionizer,popularity")
        shop.send(shop.click(f"last {n}", "last") for n in range(60))
        shop.counted("last", 60)
        counts = shop.counts()
        assert counts == pytest.approx({**expected, "last": 60}, rel=1e-3)
