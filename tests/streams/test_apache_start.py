"""A start of Apache Kafka that is interrupted or fails leaves nothing behind. Java is a shell script here."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from mos_online.errors import BrokerError
from mos_online.ports import free_port
from mos_online.processes import held_locks, living, locked, wait_until
from streams.broker import apache
from streams.broker.apache import ApacheBroker


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApacheBroker:
    """Its data is formatted already, and Kafka sleeps."""
    script = tmp_path / "java"
    script.write_text("#!/bin/sh\necho a warning\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(apache, "java", lambda: script)
    monkeypatch.setattr(apache, "class_path", lambda: "none")
    folder = tmp_path / "kafka"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").touch()
    return ApacheBroker(folder, port=free_port())


def children_of(folder: Path) -> list[str]:
    found = psutil.Process().children(recursive=True)
    return [process.name() for process in living(found, lambda process: process.cwd() == str(folder))]


def held(broker: ApacheBroker) -> list[Path]:
    return held_locks(broker.folder)


def test_a_ctrl_c_right_after_the_start_of_java_leaves_nothing(
    broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = popen(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr("mos_online.processes.child.subprocess.Popen", start)
    with pytest.raises(KeyboardInterrupt):
        broker.start()
    monkeypatch.undo()
    assert children_of(broker.folder) == []
    assert held(broker) == []


def test_a_java_that_cannot_be_started_leaves_nothing(broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr("mos_online.processes.child.subprocess.Popen", fails)
    with pytest.raises(OSError, match="no more processes"):
        broker.start()
    assert children_of(broker.folder) == []
    assert held(broker) == []


def test_a_stale_lock_file_whose_pid_is_used_again_is_no_obstacle(broker: ApacheBroker, tmp_path: Path) -> None:
    (broker.folder / "kafka.lock").write_text(f"{os.getpid()}\n")
    with locked(broker.folder / "kafka.lock", what="a Kafka broker", instead="wait"):
        assert held(broker) != []


def test_a_kafka_that_makes_no_progress_is_given_up(broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache, "wait_until", partial(wait_until, stalled=1.0))
    started = time.monotonic()
    with pytest.raises(BrokerError, match=r"(?s)did not become ready: nothing has happened for .* s.*a warning"):
        broker.start()
    assert time.monotonic() - started < 60
    assert children_of(broker.folder) == []
    assert held(broker) == []
