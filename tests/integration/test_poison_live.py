"""Poison on every topic that a real worker reads, on both brokers: before its start, live, and in its recovery."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Click, DeadLetter, Heartbeat
from mos_online.contracts.fields import MAX_TIME
from mos_online.health import Health
from mos_online.kafka_config import librdkafka_config
from streams.broker.apache import ApacheBroker
from streams.kafka.headers import times_resent
from tests.integration.stream_system import PARTITIONS, StreamSystem, stop, stream_system
from tests.integration.test_stream_profiles import session_of
from tests.published_model import publish_model
from tests.streams.raw_batches import CODECS, STANDS_FOR_IT, Sent, send_raw

pytestmark = pytest.mark.slow

BEGIN = 1_600_000_000_000
FAR = BEGIN + 10**9
GOOD = ("g1", "g2", "g3", "g4")
READ = (contracts.CLICKS, contracts.SESSIONS, contracts.SESSION_EMBEDDINGS)
EVERYWHERE: list[Sent] = [
    (b"k" * 700_000, b"{", []),
    (b"u", None, [("closable_at", None)]),
    (b"u", b"[" * 20_000, [("closable_at", b"9" * 5000)]),
    (b"\xff", b"\xff\xfe", [(STANDS_FOR_IT, b"x")]),
    (None, b'{"user_id":"%b"}' % (b"x" * 30_000), [("closable_at", b"-1"), ("closable_at", b"soon")]),
]


class Service(BaseHTTPRequestHandler):
    """Recommends item "x" to everybody."""

    def do_POST(self) -> None:
        requests = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requests"]
        item = {"item_id": "x", "score": 1.0, "theme": 1, "theme_label": "l"}
        rest: dict[str, Any] = {"items": [item], "model_version": "m", "router_version": "r"}
        rest |= {"assignments": [], "fallback": None}
        answers = [rest | {name: each[name] for name in ("request_id", "user_id")} for each in requests]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"responses": answers}).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["embedded", "apache"])
def broker(request: pytest.FixtureRequest) -> dict[str, str]:
    """Variables that name it."""
    return {} if request.param == "embedded" else {"MOS_KAFKA": request.getfixturevalue("kafka").bootstrap}


def send(system: StreamSystem, topic: str, partition: int, sent: list[Sent], codec: str) -> None:
    bootstrap = str(librdkafka_config(system.settings)["bootstrap.servers"])
    send_raw(bootstrap, system.settings.topic(topic), partition, sent, codec=codec)


def poison_all(system: StreamSystem, round_: int) -> None:
    codecs = sorted(CODECS)
    for topic in READ:
        for partition in range(PARTITIONS):
            codec = codecs[(round_ + partition) % len(codecs)]
            send(system, topic, partition, EVERYWHERE, codec)
    frozen = msgspec.structs.replace(session_of("g1", 900), watermark=MAX_TIME)
    send(system, contracts.SESSIONS, 0, [(b"g1", contracts.encode(frozen), [])], "none")
    send(system, contracts.SESSIONS, 1, [(b"g2", contracts.encode(session_of("g1", 901)), [])], "none")


def good(system: StreamSystem, round_: int) -> None:
    """A session of each good user, after those of the rounds before; all partitions know that it is over."""
    begin = BEGIN + round_ * 10**7
    system.send(
        contracts.CLICKS,
        [
            (user, contracts.encode(Click(event_id=f"{user}-{round_}", user_id=user, item_id="a", timestamp=begin)))
            for user in GOOD
        ],
    )
    system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=begin + 10**6)))


def letters(system: StreamSystem) -> list[DeadLetter]:
    return [msgspec.json.decode(r.value or b"", type=DeadLetter) for r in system.records(contracts.DEAD_LETTERS)]


def test_poison_ends_no_processor_and_harms_no_other_record(
    tmp_path: Path, free_port: Callable[[], int], broker: dict[str, str], url: str
) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60", MOS_SERVE_URL=url, **broker) as system:
        publish_model(tmp_path / "model", system.settings)
        poison_all(system, 0)  # the first records of every partition
        worker = system.worker("sessionizer,popularity,profiler,recommender")
        for round_ in (1, 2):
            good(system, round_)
            poison_all(system, round_)
            if round_ == 1:
                worker.send_signal(signal.SIGKILL)  # and so it is read again, by another client
                worker.wait()
                worker = system.worker("sessionizer,popularity,profiler,recommender")
        good(system, 3)
        expected = {(user, f"{user}:{BEGIN + round_ * 10**7}:{user}-{round_}") for user in GOOD for round_ in (1, 2, 3)}
        for topic in (contracts.SESSION_EMBEDDINGS, contracts.RECOMMENDATIONS):
            system.until(partial(everything_is_on, system, topic, expected), f"all are on {topic}")
        system.until(lambda: system.metric("mos_consumer_lag_records") == 0, "all is worked off and committed")
        assert worker.poll() is None
        assert system.healthz() == Health(program="worker", status="alive")
        poisoned = len(READ) * PARTITIONS * len(EVERYWHERE) * 3 + 2 * 3
        system.until(lambda: len(places(system)) == poisoned, f"{poisoned} records have a dead letter")
        profile = OnlineStore.open(system.settings).read_profiles(["g1"])["g1"]
        assert profile.session_count == 3, "a session from the future has frozen the profile"
        resent(system)
        assert stop(worker) == 0


def everything_is_on(system: StreamSystem, topic: str, expected: set[tuple[str, str]]) -> bool:
    return of_good(system, topic) == expected


def places(system: StreamSystem) -> set[tuple[str, int, int]]:
    return {(letter.topic, letter.partition, letter.offset) for letter in letters(system)}


def of_good(system: StreamSystem, topic: str) -> set[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for record in system.records(topic):
        try:
            each = json.loads(record.value or b"")
            found.append((each["user_id"], each["session_id"]))
        except (ValueError, KeyError, TypeError, RecursionError):  # poison
            continue
    return {(user, session) for user, session in found if user in GOOD}


def resent(system: StreamSystem) -> None:
    """Records that are sent again fail again, and are not sent a third time."""
    assert system.ended(system.mos("dead-letters", "resend", "--topic", "clicks", "--reason", "invalid", "--yes")) == 0

    def again() -> list[DeadLetter]:
        pairs = [(letter, tuple((h.name, h.value) for h in letter.headers)) for letter in letters(system)]
        return [letter for letter, headers in pairs if times_resent(headers) == 1]

    count = 3 * PARTITIONS
    system.until(lambda: len(again()) == count, "the records have failed again")
    assert {letter.topic for letter in again()} == {system.settings.topic(contracts.CLICKS)}
    assert {letter.key for letter in again()} == {None}


def test_topics_that_take_small_messages_only_end_no_worker(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    sizes = {contracts.SESSIONS: 50_000, contracts.DEAD_LETTERS: 20_000}
    with stream_system(tmp_path / "mos", free_port(), MOS_SESSION_GAP="60", MOS_KAFKA=kafka.bootstrap) as system:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for topic, size in sizes.items():
            entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(
                ConfigResource.Type.TOPIC, system.settings.topic(topic), incremental_configs=[entry]
            )
            for done in admin.incremental_alter_configs([resource]).values():
                done.result(60)
        small = [f"s{number}" for number in range(3000)]  # their sessions fill many batches
        clicks = [Click(event_id=f"e-{user}", user_id=user, item_id="a", timestamp=BEGIN) for user in small]
        large = Click(event_id="e", user_id="large", item_id="a", timestamp=BEGIN, context={"text": "x" * 60_000})
        fits = Click(event_id="e", user_id="fits", item_id="a", timestamp=BEGIN, context={"text": "x" * 40_000})
        records = [(click.user_id, contracts.encode(click)) for click in (*clicks, large, fits)]
        worker = system.worker("sessionizer")
        system.send(contracts.CLICKS, [*records, ("bad", b"{" + b" " * 100_000)])
        system.send_to_all(contracts.CLICKS, contracts.encode(Heartbeat(heartbeat=FAR)))
        system.until(lambda: len(system.records(contracts.SESSIONS)) == len(small) + 1, "the others are published")
        system.until(lambda: len(letters(system)) == 2, "there are dead letters")
        assert {(letter.reason, letter.is_whole) for letter in letters(system)} == {
            ("too_large", False),
            ("not_json", False),
        }
        assert worker.poll() is None
        assert stop(worker) == 0
