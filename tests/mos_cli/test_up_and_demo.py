"""Two of ``mos up`` and ``mos demo`` at once: the second one is refused, and the first one keeps its files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mos_cli.supervisor import services_lock
from mos_online.processes import locked
from mos_online.settings import Settings
from tests.mos_cli.mos_runs import Mos
from tests.published_model import publish_model

HOLDER = """
import sys, time
from pathlib import Path
from mos_cli.supervisor import services_lock

with services_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(mos_home: Settings, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started the services of the folder of this name in MOS_HOME."""
    folder = mos_home.home / request.param
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def works(home: Path) -> Path:
    """A file that the first one writes."""
    log = home / "logs" / "worker.log"
    log.parent.mkdir(parents=True)
    log.write_text("it works")
    return log


@pytest.mark.parametrize("holder", ["."], indirect=True)
def test_a_second_up_is_refused_and_touches_no_log(
    holder: subprocess.Popen[str], mos: Mos, mos_home: Settings, tmp_path: Path
) -> None:
    publish_model(tmp_path / "model", mos_home)
    log = works(mos_home.home)
    answer = mos("up")
    assert answer.status == 2
    assert f"already runs with {mos_home.home} (pid {holder.pid})" in answer.err
    assert log.read_text() == "it works"


@pytest.mark.parametrize("holder", ["demo"], indirect=True)
def test_a_second_demo_is_refused_and_deletes_nothing(
    holder: subprocess.Popen[str], mos: Mos, mos_home: Settings
) -> None:
    log = works(mos_home.home / "demo")
    answer = mos("demo", "--dataset", "synthetic:users=50")
    assert answer.status == 2
    assert f"(pid {holder.pid})" in answer.err
    assert log.read_text() == "it works"


def test_a_demo_deletes_no_folder_in_which_a_program_runs(mos: Mos, mos_home: Settings) -> None:
    home = mos_home.home / "demo"
    log = works(home)
    with locked(home / "kafka.lock", what="an embedded broker", instead="flee"):
        answer = mos("demo", "--dataset", "synthetic:users=50")
    assert answer.status == 2
    assert "is in use (kafka runs there)" in answer.err
    assert log.read_text() == "it works"


def test_a_demo_empties_a_folder_that_nobody_uses(mos: Mos, mos_home: Settings) -> None:
    home = mos_home.home / "demo"
    log = works(home)
    with services_lock(home):
        pass
    assert mos("demo", "--dataset", "./nowhere").status == 2
    assert not log.exists()
