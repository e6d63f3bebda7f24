"""A child that ends with its parent, however that ends, and with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mos_online.processes import GuardedChild, held_locks, living, locked, wait_until

PARENT = """
import sys, time
from pathlib import Path
from mos_online.processes import GuardedChild

folder = Path(sys.argv[1])
children = [
    GuardedChild(["/bin/sh", "-c", sys.argv[n + 2], str(folder), str(n)], log=folder / "log", patience=1)
    for n in range(len(sys.argv) - 2)
]
print(*(child.pid for child in children), flush=True)
time.sleep(600)
"""
POLITE = 'trap "echo bye >> $0/said; exit" TERM; touch "$0/ready-$1"; while :; do sleep 0.05; done'
TELLS = "import os, sys; os.write(int(sys.argv[2]), os.getcwdb()); print(sys.argv, os.environ)"
DEAF = 'trap "" TERM; sleep 600 & touch "$0/ready-$1"; while :; do sleep 0.05; done'


def members(group: int) -> list[psutil.Process]:
    return living(psutil.process_iter(), lambda process: os.getpgid(process.pid) == group)


def until(done: object) -> None:
    steps = iter(range(10**9))
    wait_until(done, progress=lambda: next(steps), longest=120, pause=0.02)  # type: ignore[arg-type]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[GuardedChild]:
    started = GuardedChild(["/bin/sh", "-c", POLITE, str(tmp_path), "0"], log=tmp_path / "log")
    until((tmp_path / "ready-0").exists)
    yield started
    started.end(signal.SIGKILL, timeout=0)


def test_kill_9_of_the_parent_ends_its_children_politely_or_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), POLITE, DEAF]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    groups = [int(pid) for pid in parent.stdout.readline().split()]
    until(lambda: all((tmp_path / f"ready-{n}").exists() for n in range(2)))
    assert all(members(group) for group in groups)
    parent.kill()
    parent.communicate()
    until(lambda: not any(members(group) for group in groups))
    assert (tmp_path / "said").read_text() == "bye\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_end_leaves_no_process_and_no_open_file(child: GuardedChild, number: signal.Signals) -> None:
    assert len(members(child.pid)) >= 2  # and its watcher
    child.end(number, timeout=60)
    assert members(child.pid) == []
    assert child.status() is not None
    child.end(number, timeout=60)  # a second time there is nothing to do
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(child._held)


def test_one_that_has_ended_by_itself_leaves_no_watcher(tmp_path: Path) -> None:
    child = GuardedChild(["/bin/sh", "-c", "echo said; exit 7"], log=tmp_path / "log")
    until(lambda: child.status() is not None)
    assert child.status() == 7
    child.end(signal.SIGTERM, timeout=60)
    assert members(child.pid) == []
    assert (tmp_path / "log").read_text() == "said\n"


def test_words_folders_variables_and_files_reach_it(tmp_path: Path) -> None:
    folder = tmp_path / "a b$(c)"
    folder.mkdir()
    with (tmp_path / "inherited").open("w") as file:
        child = GuardedChild(
            [sys.executable, "-c", TELLS, 'two  words "quoted" $HOME', str(file.fileno())],
            log=tmp_path / "log",
            folder=folder,
            environment={"ONLY": "this one"},
            inherited=[file.fileno()],
        )
        until(lambda: child.status() is not None)
        child.end(signal.SIGTERM, timeout=0)
    assert child.status() == 0, (tmp_path / "log").read_text()
    said = (tmp_path / "log").read_text()
    assert repr('two  words "quoted" $HOME') in said
    assert "'ONLY': 'this one'" in said
    assert (tmp_path / "inherited").read_text() == str(folder)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    child = GuardedChild(["/no/such/program"], log=tmp_path / "log")
    until(lambda: child.status() is not None)
    assert child.status() == 127
    assert "/no/such/program" in (tmp_path / "log").read_text()
    child.end(signal.SIGTERM, timeout=0)


HOLDER = """
import sys, time
from pathlib import Path
from mos_online.processes import locked

with locked(Path(sys.argv[1]), what="a broker", instead="wait"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_by_one_process_named_and_free_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "home" / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert held_locks(path.parent) == [path]
        with (
            pytest.raises(Exception, match=f"a broker already runs with .*home .pid {holder.pid}.; stop it .* or flee"),
            locked(path, what="a broker", instead="flee"),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert held_locks(path.parent) == []
    assert path.read_text() == f"{holder.pid}\n"  # the file of the dead says nothing, whoever has its number now
    with locked(path, what="a broker", instead="flee"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == ""


def test_a_child_holds_the_lock_that_it_inherits(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with locked(path, what="a broker", instead="flee") as lock:
        child = GuardedChild(["/bin/sh", "-c", "exec sleep 600"], log=tmp_path / "log", inherited=[lock])
    assert held_locks(tmp_path) == [path]
    child.end(signal.SIGTERM, timeout=60)
    assert held_locks(tmp_path) == []
