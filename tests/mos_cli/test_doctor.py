from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from features.store import OnlineStore
from mos_cli.doctor import machine, services
from mos_cli.doctor.command import app
from mos_cli.doctor.finding import Finding, Status
from mos_cli.doctor.settings_table import settings_lines
from mos_online.contracts import TOPICS
from mos_online.registry import open_registry
from mos_online.settings import Settings
from streams.broker.embedded import embedded_broker
from tests.published_model import publish_model


def only(findings: Iterator[Finding], part: str) -> Finding:
    (found,) = [finding for finding in findings if finding.part == part]
    return found


def changed(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update=values)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Starts an HTTP server that answers everything with these bytes; returns its port."""
    servers = []

    def start(body: bytes) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_this_machine_can_run_us() -> None:
    assert machine.python().status is Status.PASS
    assert machine.packages().status is Status.PASS


def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    finding = machine.python()
    assert (finding.status, finding.found) == (Status.FAIL, "3.9.1")
    assert "3.11 to 3.13" in finding.remedy


def test_packages_that_are_missing_or_old_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["msgspec>=0.1,<0.2", "no-such-thing[x]>=1", "typer>=0.1"])
    finding = machine.packages()
    assert finding.status is Status.FAIL
    assert finding.found == f"msgspec {metadata.version('msgspec')} is not <0.2,>=0.1; no-such-thing is missing"


@pytest.mark.parametrize(("mebibytes", "status"), [(50_000, "PASS"), (1_000, "WARN"), (100, "FAIL")])
def test_disk(mebibytes: int, status: str, mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=mebibytes * 2**20))
    finding = machine.disk(mos_home)
    assert finding.status == status
    assert bool(finding.remedy) == (status != "PASS")


def test_ports(mos_home: Settings, free_port: Callable[[], int], answering: Callable[[bytes], int]) -> None:
    nobody, ours, theirs = free_port(), answering(b'{"status": "alive"}'), answering(b"<html>")
    free = only(machine.ports(changed(mos_home, serve_port=nobody)), "port of serve")
    assert (free.status, free.found) == (Status.INFO, f"127.0.0.1:{nobody} is free; `mos serve` is not running")
    assert only(machine.ports(changed(mos_home, worker_port=ours)), "port of worker").status is Status.PASS
    taken = only(machine.ports(changed(mos_home, serve_port=theirs)), "port of serve")
    assert taken.status is Status.FAIL
    assert "MOS_SERVE_PORT" in taken.remedy


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({}, "PASS", "8 partitions each"),
        ({"sessions": 0, "clicks": 0}, "FAIL", "missing: clicks, sessions"),
        ({"sessions": 4}, "FAIL", "sessions has 4"),
        ({"dead-letters": 1}, "PASS", "8 partitions each"),
        (dict.fromkeys(TOPICS, 3), "WARN", "with 3 partitions; MOS_PARTITIONS is 8"),
    ],
)
def test_topics(change: dict[str, int], status: str, says: str, mos_home: Settings) -> None:
    finding = services.topics(dict.fromkeys(TOPICS, 8) | change, mos_home)
    assert finding.status == status
    assert says in finding.found
    assert bool(finding.remedy) == (status != "PASS")


@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        ("LogAppendTime", "PASS", "by the broker's clock"),
        ("CreateTime", "WARN", "by the worker's clock, because the timestamps of a-clicks are its producers'"),
        ("not known: no", "WARN", "not known: no"),
    ],
)
def test_whose_clock_says_when_a_click_arrived(kind: str, status: str, says: str, mos_home: Settings) -> None:
    finding = services.arrival(kind, changed(mos_home, kafka="k:9092", namespace="a-"))
    assert finding.status == status
    assert says in finding.found
    assert ("--topic a-clicks --add-config message.timestamp.type=LogAppendTime" in finding.remedy) == (
        status == "WARN"
    )


def test_an_embedded_broker_that_was_not_started_is_a_warning(mos_home: Settings) -> None:
    (finding,) = services.kafka(mos_home)
    assert finding.status is Status.WARN
    assert "mos kafka" in finding.remedy


def test_the_embedded_broker_is_well(mos_home: Settings) -> None:
    with embedded_broker(mos_home) as address:
        reached, topics, arrival = services.kafka(mos_home)
    assert (reached.status, reached.found) == (Status.PASS, f"1 broker(s) at {address}")
    assert (arrival.status, arrival.found) == (Status.INFO, "by the worker's clock (embedded broker)")
    assert (topics.status, topics.found) == (
        Status.PASS,
        f"all {len(TOPICS)} there, {mos_home.partitions} partitions each",
    )


def test_a_cluster_that_answers_but_lacks_topics(mos_home: Settings) -> None:
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    reached, topics = services.kafka(changed(mos_home, kafka=f"{broker.host}:{broker.port}"))
    assert reached.status is Status.PASS
    assert (topics.status, topics.remedy) == (Status.FAIL, "mos topics create")


def test_a_cluster_that_is_away(mos_home: Settings, free_port: Callable[[], int]) -> None:
    (finding,) = services.kafka(changed(mos_home, kafka=f"127.0.0.1:{free_port()}"))
    assert finding.status is Status.FAIL
    assert "correct MOS_KAFKA" in finding.remedy


def test_the_store_is_examined_and_not_touched(mos_home: Settings) -> None:
    findings = list(services.online_store(mos_home))
    assert [finding.status for finding in findings] == ["PASS", "WARN"]
    assert not mos_home.feast_dir.exists()
    OnlineStore.open(mos_home).close()
    assert [finding.status for finding in services.online_store(mos_home)] == ["PASS", "PASS"]


def test_a_store_that_is_away(mos_home: Settings, free_port: Callable[[], int]) -> None:
    (finding,) = services.online_store(changed(mos_home, store=f"redis://127.0.0.1:{free_port()}"))
    assert finding.status is Status.FAIL
    assert "failed" in finding.found
    assert "correct MOS_STORE" in finding.remedy


def test_no_model_is_a_warning_that_says_how_to_make_one(mos_home: Settings) -> None:
    finding = services.model(mos_home)
    assert finding.status is Status.WARN
    assert "mos train" in finding.remedy


def test_a_damaged_model_and_a_wrong_registry_fail_with_a_remedy(mos_home: Settings, tmp_path: Path) -> None:
    publish_model(tmp_path / "model", mos_home)
    (open_registry(mos_home).fetch("champion") / "router.json").write_text("{}")
    finding = services.model(mos_home)
    assert finding.status is Status.FAIL
    assert "router.json is not what was added" in finding.found
    assert "mos models rollback" in finding.remedy
    elsewhere = services.model(changed(mos_home, models="s3://bucket/models"))
    assert elsewhere.status is Status.FAIL
    assert "pip install s3fs" in elsewhere.found + elsewhere.remedy


@pytest.mark.parametrize(("store", "status"), [("sqlite", 0), ("redis", 1)])
def test_the_command_fails_exactly_when_something_does(
    store: str, status: int, mos_home: Settings, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_STORE", store if status == 0 else f"redis://:hunter2@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MOS_SERVE_PORT", str(free_port()))
    monkeypatch.setenv("MOS_WORKER_PORT", str(free_port()))
    result = CliRunner().invoke(app, [], catch_exceptions=False)
    assert result.exit_code == status
    assert f"failed: {status}, warnings:" in result.output
    assert "hunter2" not in result.output


def test_the_command_lists_settings() -> None:
    result = CliRunner().invoke(app, ["--settings"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "MOS_SESSION_GAP" in result.output


def test_all_settings_are_listed_with_their_source_and_no_secret(
    mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_API_KEY", "hunter2")
    monkeypatch.setenv("MOS_KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("MOS_STORE", "redis://me:hunter2@cache:6379")
    lines = {line.variable: line for line in settings_lines(Settings.load())}
    assert lines.keys() == {f"MOS_{name.upper()}" for name in Settings.model_fields}
    assert not [line for line in lines.values() if "hunter2" in "".join(line)]
    assert lines["MOS_STORE"].value.endswith("@cache:6379")
    assert (lines["MOS_API_KEY"].source, lines["MOS_SERVE_PORT"].source) == ("environment", "default")
    assert lines["MOS_SERVE_PORT"].value == "8000"
