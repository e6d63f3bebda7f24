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
from mos_online.processes import wait_until
from streams.broker import apache, child
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
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("at", ["kafka", "guard", "pid file"])
def test_a_ctrl_c_at_any_moment_of_the_start_leaves_nothing(
    broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The signal comes right after the step: after a process was started, or the file was written."""
    popen, replace = subprocess.Popen, Path.replace
    started = iter(["kafka", "guard"])

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = popen(*arguments, **options)
        if next(started) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return process

    def rename(path: Path, target: Path) -> Path:
        done = replace(path, target)
        if at == "pid file":
            os.kill(os.getpid(), signal.SIGINT)
        return done

    monkeypatch.setattr("streams.broker.child.subprocess.Popen", start)
    monkeypatch.setattr(Path, "replace", rename)
    with pytest.raises(KeyboardInterrupt):
        broker.start()
    monkeypatch.undo()
    assert children_of(broker.folder) == []
    assert not (broker.folder / "kafka.pid").exists()


def test_a_start_without_a_guard_leaves_nothing(broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(pid: int) -> Any:
        raise OSError("no more processes")

    monkeypatch.setattr(child, "_guard", fails)
    with pytest.raises(OSError, match="no more processes"):
        broker.start()
    assert children_of(broker.folder) == []
    assert not (broker.folder / "kafka.pid").exists()


def test_a_kafka_that_makes_no_progress_is_given_up(broker: ApacheBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache, "wait_until", partial(wait_until, stalled=1.0))
    started = time.monotonic()
    with pytest.raises(BrokerError, match=r"(?s)did not become ready: nothing has happened for .* s.*a warning"):
        broker.start()
    assert time.monotonic() - started < 60
    assert children_of(broker.folder) == []
    assert not (broker.folder / "kafka.pid").exists()
