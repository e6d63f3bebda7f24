"""A run's folder, file and port, and that nothing is left of it however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mos_online.errors import ServingError
from mos_online.processes import living
from mos_online.settings import Settings
from serving.ray.reaper import end, processes
from serving.ray.run import check_port, run_folder
from tests.serving.serving_doubles import wait_for

WRITER = """
import sys, time
log = open(sys.argv[1], "a")
log.write("started")
log.flush()
time.sleep(600)
"""

HOLDER = """
import subprocess, sys, time
from mos_online.settings import Settings
from serving.ray.run import run_folder

with run_folder(Settings.load(home=sys.argv[1], serve_port=int(sys.argv[2]))) as folder:
    logs = folder / "r" / "session_1" / "logs"
    logs.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", sys.argv[3], str(logs / "a.log")], start_new_session=True)
    while not (logs / "a.log").exists() or not (logs / "a.log").read_text():
        time.sleep(0.01)
    print(child.pid, folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def where(mos_home: Settings, free_port: Callable[[], int]) -> Settings:
    return mos_home.model_copy(update={"serve_port": free_port()})


class Holder:
    """A process inside ``run_folder`` with a child that survives it."""

    def __init__(self, settings: Settings) -> None:
        command = [sys.executable, "-c", HOLDER, str(settings.home), str(settings.serve_port), WRITER]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.process.stdout
        pid, folder = self.process.stdout.readline().split()
        self.child = psutil.Process(int(pid))
        self.folder = Path(folder)

    def reaper(self) -> psutil.Process:
        (found,) = (p for p in psutil.Process(self.process.pid).children() if "serving.ray.reaper" in p.cmdline())
        return found

    def close(self) -> None:
        for process in (self.process, self.child):
            try:
                process.kill()
                process.wait(10)
            except psutil.NoSuchProcess:
                pass
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def holder(where: Settings) -> Iterator[Holder]:
    held = Holder(where)
    yield held
    held.close()


def left(settings: Settings) -> list[str]:
    return [path.name for path in settings.home.glob("serve-*.json")]


def kept_log(settings: Settings) -> str:
    return (settings.home / "logs" / f"serve-{settings.serve_port}" / "a.log").read_text()


def test_a_free_port_is_fine_and_a_taken_one_is_refused_with_its_holder(where: Settings) -> None:
    check_port(where)
    with socket.socket() as taken:
        taken.bind((where.serve_host, where.serve_port))
        taken.listen()
        with pytest.raises(ServingError, match=rf"{where.serve_port}.*by pid {os.getpid()} .*--port"):
            check_port(where)


def test_an_address_of_another_machine_is_refused(where: Settings) -> None:
    with pytest.raises(ServingError, match=r"192\.0\.2\.77"):
        check_port(where.model_copy(update={"serve_host": "192.0.2.77"}))


@pytest.mark.slow
def test_a_run_that_ends_leaves_nothing_but_its_logs(where: Settings) -> None:
    with run_folder(where) as folder:
        logs = folder / "r" / "session_1" / "logs"
        logs.mkdir(parents=True)
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(logs / "a.log")], start_new_session=True)
        wait_for(lambda: (logs / "a.log").exists() and (logs / "a.log").read_text())
        assert folder.stat().st_mode & 0o077 == 0  # the sockets inside are for this user alone
    assert child.wait(0) == -signal.SIGKILL
    assert not folder.exists()
    assert left(where) == []
    assert kept_log(where) == "started"


@pytest.mark.slow
def test_kill_9_of_a_run_leaves_nothing_but_its_logs(where: Settings, holder: Holder) -> None:
    holder.process.kill()
    wait_for(lambda: not left(where), timeout=20)
    assert not living([holder.child])
    assert not holder.folder.exists()
    assert kept_log(where) == "started"


@pytest.mark.slow
def test_the_next_run_cleans_up_where_even_the_reaper_was_killed(where: Settings, holder: Holder) -> None:
    holder.reaper().kill()
    holder.process.kill()
    holder.process.wait()
    assert living([holder.child])
    with run_folder(where) as folder:
        assert not living([holder.child])
        assert folder != holder.folder
        assert not holder.folder.exists()
    assert left(where) == []


@pytest.mark.slow
def test_a_second_run_on_the_same_port_is_refused_and_the_first_goes_on(where: Settings, holder: Holder) -> None:
    with pytest.raises(ServingError, match=rf"pid {holder.process.pid}"), run_folder(where):
        pass
    assert living([holder.child])
    assert holder.folder.exists()


@pytest.mark.slow
def test_who_only_reads_the_logs_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.touch()
    reader = subprocess.Popen([sys.executable, "-c", "import sys, time; f = open(sys.argv[1]); time.sleep(600)", log])
    writer = subprocess.Popen([sys.executable, "-c", WRITER, log])
    try:
        wait_for(log.read_text)
        wait_for(lambda: psutil.Process(reader.pid).open_files())
        assert [process.pid for process in processes(tmp_path)] == [writer.pid]
        assert len(end(tmp_path)) == 1
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()
        writer.kill()
        writer.wait()


def test_a_folder_that_others_put_in_the_place_of_an_old_run_is_left_alone(where: Settings, tmp_path: Path) -> None:
    prepared = tmp_path / "mos-old"
    (prepared / "r" / "session_1" / "logs").mkdir(parents=True)
    prepared.chmod(0o777)
    where.home.mkdir()
    noted = {"folder": str(prepared)}
    (where.home / f"serve-{where.serve_port}.json").write_text(json.dumps(noted))
    with run_folder(where) as folder:
        assert folder != prepared
    assert (prepared / "r" / "session_1" / "logs").is_dir()
    assert left(where) == []


def test_a_damaged_run_file_is_no_obstacle(where: Settings) -> None:
    where.home.mkdir()
    (where.home / f"serve-{where.serve_port}.json").write_text("{")
    with run_folder(where) as folder:
        assert folder.is_dir()
    assert left(where) == []
