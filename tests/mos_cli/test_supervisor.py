"""Services as child processes: a slow start is waited for, a stuck one is not, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mos_cli import supervisor as module
from mos_cli.supervisor import ChildProcess, Supervisor
from mos_online.errors import MosError
from mos_online.processes import GuardedChild, wait_until

Script = Callable[[str], None]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """``script(lines)``: what runs in place of every ``mos`` command."""

    def write(lines: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return write


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as running:
        yield running


def service(ready: Callable[[], bool]) -> ChildProcess:
    return ChildProcess(name="kafka", arguments=("kafka",), ready=ready)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "wait_until", partial(wait_until, stalled=1.0))


def test_a_service_that_goes_on_writing_its_log_is_waited_for(
    supervisor: Supervisor, script: Script, impatient: None, tmp_path: Path
) -> None:
    script(f"for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.4; done; touch {tmp_path}/ready; exec sleep 600")
    supervisor.start(service((tmp_path / "ready").exists))
    supervisor.check()


def test_a_service_that_does_nothing_is_given_up(supervisor: Supervisor, script: Script, impatient: None) -> None:
    script("echo waiting for a miracle; exec sleep 600")
    with pytest.raises(MosError, match=r"(?s)kafka did not become ready: nothing has happened.*waiting for a miracle"):
        supervisor.start(service(lambda: False))


def test_a_service_that_ends_is_told_with_the_end_of_its_log(supervisor: Supervisor, script: Script) -> None:
    script("echo it is broken; exit 3")
    with pytest.raises(MosError, match=r"(?s)kafka exited with status 3.*it is broken"):
        supervisor.start(service(lambda: False))


def test_a_ctrl_c_right_after_the_start_leaves_no_process(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("exec sleep 600")
    popen, started = subprocess.Popen, []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = popen(*arguments, **options)
        started.append(process)
        os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr("mos_online.processes.child.subprocess.Popen", start)
    with pytest.raises(KeyboardInterrupt), Supervisor(tmp_path / "logs") as running:
        running.start(service(lambda: False))
    (process,) = started
    assert process.poll() == -signal.SIGTERM


def kill(child: GuardedChild) -> None:
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: child.status() is not None, progress=lambda: None)


def tend(supervisor: Supervisor, said: list[str], until: Callable[[], bool]) -> None:
    def done() -> bool:
        supervisor.tend(said.append)
        return until()

    wait_until(done, progress=lambda: len(said))


def test_what_exits_is_started_again_alone_and_its_log_is_shown(
    supervisor: Supervisor, script: Script, tmp_path: Path
) -> None:
    script(f"echo life >> {tmp_path}/lives; echo it is broken; touch {tmp_path}/ready; exec sleep 600")
    supervisor.start(service((tmp_path / "ready").exists))
    other = ChildProcess(name="other", arguments=("other",), ready=lambda: True)
    supervisor.start(other)
    (_, first), (_, second) = supervisor._children
    kill(first)
    said: list[str] = []
    lives = tmp_path / "lives"
    tend(supervisor, said, lambda: len(said) == 2 and lives.read_text().count("life") == 3)
    assert "kafka exited with status -9" in said[0]
    assert "it is broken" in said[0]
    assert said[0].endswith("starting kafka again in 1 s")
    assert said[1] == "started kafka again"
    assert second.status() is None
    assert supervisor._children[1][1] is second


def test_what_exits_again_and_again_ends_all(supervisor: Supervisor, script: Script, tmp_path: Path) -> None:
    moment = [0.0]
    supervisor.clock = lambda: moment[0]
    script(f"echo life >> {tmp_path}/lives; touch {tmp_path}/ready; exec sleep 600")
    supervisor.start(service((tmp_path / "ready").exists))
    said: list[str] = []

    def exit_after(seconds: float) -> None:
        moment[0] += seconds
        (_, child) = supervisor._children[0]
        kill(child)
        supervisor.tend(said.append)

    for number in range(module.RESTARTS):
        exit_after(module.WINDOW if number == 0 else 0.0)
        assert said[-1].endswith(f"again in {2**number} s")
        supervisor.tend(said.append)  # not yet
        assert said[-1].endswith(f"again in {2**number} s")
        moment[0] += 2**number
        supervisor.tend(said.append)
        assert said[-1] == "started kafka again"
    with pytest.raises(MosError, match=r"(?s)kafka exited with status -9.*started again 5 times in vain"):
        exit_after(0.0)
    moment[0] += module.WINDOW  # what is long ago does not count
    supervisor.tend(said.append)
    assert said[-1].endswith("again in 1 s")
