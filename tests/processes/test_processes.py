"""Waiting for progress, and signals that wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mos_online.processes import StalledError, deferred_signals, living, stopping_signals, wait_until, work_of
from mos_online.processes.waiting import LOOK
from mos_online.processes.work import STEP
from tests.standing_clock import StandingClock


def test_it_waits_for_longer_than_a_stall_while_something_changes() -> None:
    started = time.monotonic()
    steps = iter(range(10**9))
    wait_until(lambda: time.monotonic() - started > 0.5, progress=lambda: next(steps), stalled=0.1, pause=0.01)


def test_it_gives_up_when_nothing_changes_any_more() -> None:
    started = time.monotonic()
    with pytest.raises(StalledError, match="nothing has happened for"):
        wait_until(lambda: False, progress=lambda: min(5, int((time.monotonic() - started) * 50)), stalled=0.3)
    assert time.monotonic() - started > 0.1 + 0.3 - 0.05  # the stall began when the last change had come


def test_it_gives_up_in_the_end_even_if_something_changes() -> None:
    steps = iter(range(10**9))
    with pytest.raises(StalledError, match="more than 0 s"):
        wait_until(lambda: False, progress=lambda: next(steps), longest=0.2, pause=0.01)


@pytest.mark.parametrize(("took", "asked_for"), [(0.0, 80), (0.25, 16), (5.0, 2)])
def test_what_costs_much_is_asked_for_less_often(monkeypatch: pytest.MonkeyPatch, took: float, asked_for: int) -> None:
    clock, asked, looked = StandingClock(), [], []
    monkeypatch.setattr("mos_online.processes.waiting.time", clock)

    def done() -> bool:
        clock.now += took
        asked.append(clock.now)
        return False

    with pytest.raises(StalledError, match="nothing has happened for"):
        wait_until(done, progress=lambda: looked.append(clock.now), stalled=8.0)
    assert len(asked) == pytest.approx(asked_for, abs=2)
    assert len(looked) <= 1 + 8 / LOOK + 1
    assert looked[-1] == asked[-1], "it is looked at before the wait is given up"


def test_an_error_ends_the_wait() -> None:
    def fails() -> bool:
        raise ValueError("of a test")

    with pytest.raises(ValueError, match="of a test"):
        wait_until(fails, progress=lambda: 0)


def test_what_is_there_is_not_waited_for() -> None:
    wait_until(lambda: True, progress=lambda: 0, stalled=0, longest=0)


@pytest.fixture
def child() -> Callable[[str], subprocess.Popen[bytes]]:
    return lambda code: subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def test_the_cpu_time_of_a_process_and_of_its_children_is_work(
    child: Callable[[str], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mos_online.processes.work.STEP", 0.05)
    spin = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    process = subprocess.Popen([sys.executable, "-c", spin], start_new_session=True)
    try:
        seen: set[tuple[int, ...]] = set()

        def has_worked() -> bool:
            seen.add(work_of(process.pid))
            return len(seen) > 10

        wait_until(has_worked, progress=lambda: work_of(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_process_that_sleeps_does_no_work(child: Callable[[str], subprocess.Popen[bytes]]) -> None:
    process = child("input()")
    try:
        time.sleep(0.5)
        before = work_of(process.pid)
        time.sleep(0.5)
        assert work_of(process.pid) == before
        assert STEP > 1
    finally:
        process.kill()
        process.communicate()
    assert work_of(process.pid) == (0,)


def test_what_is_written_to_a_log_is_work(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = work_of(0, log)
    log.write_text("one line\n")
    assert work_of(0, log) != before


def interrupted(steps: list[str]) -> None:
    with deferred_signals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        steps.append("completed")


def test_a_ctrl_c_inside_the_block_arrives_at_its_end() -> None:
    steps: list[str] = []
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted(steps)
    assert steps == ["completed"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_blocks_may_lie_in_each_other() -> None:
    steps: list[str] = []

    def outer() -> None:
        with deferred_signals():
            interrupted(steps)
            steps.append("completed, too")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert steps == ["completed", "completed, too"]


def test_an_ignored_signal_stays_ignored_and_an_error_passes() -> None:
    def fails() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGHUP)
            raise ValueError("of a test")

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(ValueError, match="of a test"):
            fails()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_other_threads_it_does_nothing() -> None:
    seen: list[int] = []

    def run() -> None:
        with deferred_signals():
            seen.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_signals_that_stop_are_interruptions_inside_the_block(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), stopping_signals():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_ends_while_it_is_looked_at_is_not_living() -> None:
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
    family = [psutil.Process(one.pid) for one in sleepers]
    try:
        assert living(family) == family

        def look(process: psutil.Process) -> bool:
            if process is family[1]:  # as a worker of Ray may, between the list and the question
                sleepers[1].kill()
                sleepers[1].wait()
            return bool(process.name() == "sleep")

        assert living(family, look) == [family[0], family[2]]
        sleepers[2].kill()  # and nobody reaps it
        wait_until(lambda: family[2].status() == psutil.STATUS_ZOMBIE, progress=time.monotonic)
        assert living(family) == [family[0]]
    finally:
        for one in sleepers:
            one.kill()
            one.wait()
