"""The processes of an evaluation do not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import sys
from pathlib import Path
from rich.console import Console
from mos_cli.evaluate.jobs import Job, do
from tests.mos_cli.test_evaluation_jobs import say_and_wait

if __name__ == "__main__":
    jobs = [Job(name=name, work=say_and_wait, arguments=(sys.argv[1], name)) for name in ("one", "other")]
    do(jobs, processes=2, console=Console())
"""


def say_and_wait(folder: str, name: str) -> None:
    """A job of an hour, which writes down by which process it is done."""
    file = Path(folder, name)
    file.with_suffix(".new").write_text(str(os.getpid()))
    file.with_suffix(".new").rename(file)
    time.sleep(3600)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_when_the_evaluation_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, program, tmp_path], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        while not all((tmp_path / name).exists() for name in ("one", "other")):
            assert child.poll() is None
            time.sleep(0.05)
        working = [psutil.Process(int((tmp_path / name).read_text())) for name in ("one", "other")]
        child.send_signal(how)
        child.wait()
        _, alive = psutil.wait_procs(working, timeout=120)
        for process in alive:
            process.kill()
        assert not alive
    finally:
        child.kill()
        child.wait()
