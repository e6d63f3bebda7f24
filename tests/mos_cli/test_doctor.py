from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AclOperation
from typer.testing import CliRunner

from features.store import OnlineStore
from mos_cli.doctor import folders, machine, ports, profiles, services, store
from mos_cli.doctor.command import app
from mos_cli.doctor.settings_table import settings_lines
from mos_cli.findings import Finding, Status
from mos_online.contracts import TOPICS
from mos_online.ports import bind_fault
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress
from streams.broker.embedded import embedded_broker
from streams.kafka.admin import CheckedTopics
from tests.conftest import RedisServer
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
    finding = folders.disk(mos_home)
    assert finding.status == status
    assert bool(finding.remedy) == (status != "PASS")


HEALTHY = {program: f'{{"program": "{program}", "status": "alive"}}'.encode() for program in ("serve", "worker")}


def test_ports(mos_home: Settings, free_port: Callable[[], int], answering: Callable[[bytes], int]) -> None:
    nobody, ours, theirs = free_port(), answering(HEALTHY["worker"]), answering(b'{"status": "alive"}')
    free = only(ports.ports(changed(mos_home, serve_port=nobody)), "port of serve")
    assert (free.status, free.found) == (Status.INFO, f"127.0.0.1:{nobody} is free; `mos serve` is not running")
    assert only(ports.ports(changed(mos_home, worker_port=ours)), "port of worker").status is Status.PASS
    taken = only(ports.ports(changed(mos_home, serve_port=theirs)), "port of serve")
    assert taken.status is Status.FAIL
    assert "MOS_SERVE_PORT" in taken.remedy
    mixed = only(ports.ports(changed(mos_home, serve_port=ours)), "port of serve")
    assert (mixed.status, mixed.found) == (Status.FAIL, f"127.0.0.1:{ours} is used by `mos worker`")


def test_a_worker_that_fails_is_told_with_its_reason(mos_home: Settings, answering: Callable[[bytes], int]) -> None:
    port = answering(b'{"program": "worker", "status": "failing", "details": ["profiler: no progress"]}')
    found = only(ports.ports(changed(mos_home, worker_port=port)), "port of worker")
    assert found.status is Status.FAIL
    assert "profiler: no progress" in found.found


@pytest.mark.parametrize(
    ("host", "status", "says"),
    [("::1", "INFO", "[::1]:"), ("::", "INFO", "[::]:"), ("0.0.0.0", "INFO", "0.0.0.0:"), ("192.0.2.77", "FAIL", "no")],
)
def test_any_address_may_be_listened_on(
    host: str, status: str, says: str, mos_home: Settings, free_port: Callable[[], int]
) -> None:
    if ":" in host and bind_fault("::1", 0):
        pytest.skip("this machine has no IPv6")
    found = only(ports.ports(changed(mos_home, serve_host=host, serve_port=free_port())), "port of serve")
    assert found.status == status
    assert says in found.found


def test_a_service_elsewhere_is_asked(
    mos_home: Settings, free_port: Callable[[], int], answering: Callable[[bytes], int]
) -> None:
    assert list(ports.remote_service(mos_home)) == []
    for port, status in (
        (free_port(), "FAIL"),
        (answering(HEALTHY["serve"]), "PASS"),
        (answering(HEALTHY["worker"]), "FAIL"),
        (answering(b"<html>"), "FAIL"),
    ):
        (found,) = ports.remote_service(changed(mos_home, serve_url=f"http://127.0.0.1:{port}/"))
        assert found.status == status
        assert bool(found.remedy) == (status == "FAIL")


@pytest.mark.slow
def test_both_programs_say_what_the_doctor_reads(mos_home: Settings, free_port: Callable[[], int]) -> None:
    """Each end in a process of its own: the worker's server as it runs, and `mos doctor` as it is called."""
    port = free_port()
    serving = subprocess.Popen([sys.executable, "-c", WORKER_HEALTH, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout
        assert serving.stdout.readline() == "ready\n"
        environment = os.environ | {"MOS_WORKER_PORT": str(port), "MOS_SERVE_PORT": str(free_port())}
        doctor = subprocess.run(
            [sys.executable, "-m", "mos_cli", "doctor", "--json"],
            env=environment | {"HTTP_PROXY": "http://127.0.0.1:9"},  # not for an address of this machine
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        serving.kill()
        serving.communicate()
    found = {finding["part"]: finding for finding in json.loads(doctor.stdout)["findings"]}
    assert found["port of worker"]["status"] == "PASS"
    assert "recommender waits: the service" in found["port of worker"]["found"]
    assert doctor.returncode == 0


WORKER_HEALTH = """
import sys, time
from mos_online.health import Health
from monitoring.server import health_server

health = Health(program="worker", status="alive", details=["recommender waits: the service"])
with health_server("127.0.0.1", int(sys.argv[1]), lambda: health, lambda: health):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_the_folders_are_looked_at(mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.home(mos_home).status is Status.PASS
    assert "made when it is needed" in folders.home(mos_home).found
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    refused = folders.home(mos_home)
    assert refused.status is Status.FAIL
    assert "may not write" in refused.found
    assert "set MOS_HOME to another folder" in refused.remedy


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
@pytest.mark.parametrize("name", [".", "models"])
def test_a_folder_that_others_may_write_is_a_warning(name: str, mode: int, mos_home: Settings) -> None:
    folder = mos_home.home / name
    folder.mkdir(parents=True)
    assert folders.home(mos_home).status is Status.PASS
    folder.chmod(mode)
    finding = folders.home(mos_home)
    assert finding.status is Status.WARN
    assert finding.remedy == f"chmod go-w {folder.resolve()}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, ""),
        ({"maxmemory-policy": "volatile-lru"}, ""),
        ({"maxmemory-policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
        ({"appendonly": "no"}, ""),
        ({"appendonly": "no", "save": ""}, "it writes nothing to disk"),
    ],
)
def test_a_redis_that_may_lose_profiles_is_a_warning(
    config: dict[str, str], says: str, mos_home: Settings, redis_server: RedisServer
) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("save", "3600 1")
    for name, value in config.items():
        client.config_set(name, value)
    findings = [one for one in store.online_store(changed(mos_home, store=redis_server.url)) if one.part == "Redis"]
    assert [finding.status for finding in findings] == ([Status.WARN] if says else [])
    assert all(finding.found.startswith(says) and finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("may", "refused"),
    [(None, False), ([AclOperation.READ, AclOperation.ALTER], False), ([AclOperation.READ], True)],
)
def test_credentials_that_may_not_alter_topics_are_a_warning(
    may: list[AclOperation] | None, refused: bool, mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: Future[SimpleNamespace] = Future()
    described.set_result(SimpleNamespace(authorized_operations=may))
    client = SimpleNamespace(describe_topics=lambda *_, **__: {"clicks": described})
    monkeypatch.setattr("streams.kafka.admin.AdminClient", lambda _: client)
    findings = list(services.rights(changed(mos_home, kafka="k:9092"), ["clicks"]))
    assert [finding.found for finding in findings] == ["these credentials may not alter clicks"] * refused


def test_the_folder_of_datasets_is_looked_at(mos_home: Settings, tmp_path: Path) -> None:
    assert list(folders.data(mos_home)) == []
    (missing,) = folders.data(changed(mos_home, data_dir=tmp_path / "nowhere"))
    assert (missing.status, "correct MOS_DATA_DIR" in missing.remedy) == (Status.WARN, True)
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (empty,) = folders.data(changed(mos_home, data_dir=tmp_path / "data"))
    assert empty.status is Status.WARN
    (tmp_path / "data" / "mine" / "events.parquet").touch()
    (there,) = folders.data(changed(mos_home, data_dir=tmp_path / "data"))
    assert (there.status, there.found) == (Status.PASS, f"{tmp_path / 'data'}: mine")


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({}, "PASS", "8 partitions each"),
        ({"sessions": 0, "clicks": 0}, "FAIL", "missing: clicks, sessions"),
        ({"sessions": 4}, "FAIL", "sessions has 4"),
        ({"dead-letters": 1}, "PASS", "8 partitions each"),
        ({"decisions": 9}, "WARN", "clicks has 8, decisions has 9, impressions has 8 partitions"),
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


@pytest.mark.slow
def test_a_cluster_that_is_away(mos_home: Settings, free_port: Callable[[], int]) -> None:
    (finding,) = services.kafka(changed(mos_home, kafka=f"127.0.0.1:{free_port()}"))
    assert finding.status is Status.FAIL
    assert "correct MOS_KAFKA" in finding.remedy


def test_the_store_is_examined_and_not_touched(mos_home: Settings) -> None:
    findings = list(store.online_store(mos_home))
    assert [finding.status for finding in findings] == ["PASS", "WARN"]
    assert not mos_home.feast_dir.exists()
    OnlineStore.open(mos_home).close()
    assert [finding.status for finding in store.online_store(mos_home)] == ["PASS", "PASS"]


@pytest.mark.parametrize("at", [0, 4096], ids=["its head", "a page"])
def test_a_damaged_sqlite_file_is_noticed_and_not_touched(at: int, mos_home: Settings) -> None:
    opened = OnlineStore.open(mos_home)
    opened.write_profiles([UserProfile(user_id=f"u{n}", router_epoch="r1") for n in range(200)])
    opened.close()
    file = mos_home.feast_dir / "online_store.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else the rows are not in the file yet
    with file.open("r+b") as damaged:
        damaged.seek(at)
        damaged.write(b"garbage" * 200)
    before = file.read_bytes()
    (finding,) = store.online_store(mos_home)
    assert finding.status is Status.FAIL
    assert str(file) in finding.found
    assert "mos backfill" in finding.remedy
    assert file.read_bytes() == before


def test_profiles_that_are_missing_fail(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the profiler has noted it, or only Kafka knows it."""
    assert list(profiles.profiles(mos_home)) == []
    opened = OnlineStore.open(mos_home)
    assert only(profiles.profiles(mos_home), "profiles").status is Status.PASS
    whole = Progress(partition=1, next_offset=7)
    lost = whole.lost(3, now=9)
    opened.write_progress([lost], over={})
    finding = only(profiles.profiles(mos_home), "profiles")
    assert finding.status is Status.FAIL
    assert "partition 1 from offset 3" in finding.found
    assert "mos backfill --from-topic" in finding.remedy
    opened.write_progress([whole], over={1: lost})
    reader = SimpleNamespace(committed=lambda *_: 7, bounds=lambda *_: (0, 9), close=lambda: None)
    monkeypatch.setattr("streams.kafka.log_reader.LogReader", lambda _: reader)
    monkeypatch.setattr("streams.kafka.admin.check_topics", lambda _: CheckedTopics(2, None))
    finding = only(profiles.profiles(changed(mos_home, kafka="127.0.0.1:9")), "profiles")
    assert "was emptied: profiles may lack sessions of partition 0 from offset 0" in finding.found
    assert opened.read_progress([0, 1]) == {1: whole}  # a doctor changes nothing
    opened.close()


def test_a_store_that_is_away(mos_home: Settings, free_port: Callable[[], int]) -> None:
    (finding,) = store.online_store(changed(mos_home, store=f"redis://127.0.0.1:{free_port()}"))
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


def test_the_command_answers_programs_in_json(
    mos_home: Settings, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_SERVE_PORT", str(free_port()))
    monkeypatch.setenv("MOS_WORKER_PORT", str(free_port()))
    monkeypatch.setenv("MOS_STORE", "redis://127.0.0.1:1")
    result = CliRunner().invoke(app, ["--json"], catch_exceptions=False)
    said = json.loads(result.stdout)
    assert result.exit_code == 1
    assert said["failed"] == [finding["status"] for finding in said["findings"]].count("FAIL") == 1
    assert {"part", "status", "found", "remedy"} == said["findings"][0].keys()
    listed = CliRunner().invoke(app, ["--settings", "--json"], catch_exceptions=False)
    assert {line["variable"] for line in json.loads(listed.stdout)} >= {"MOS_HOME", "MOS_STORE"}


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
