"""The first moments of ``mos``: an old Python, a Ctrl-C while it imports, and trouble with the disk."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mos_cli
from tests.mos_cli.mos_runs import Mos


def test_an_old_python_is_told_which_is_needed() -> None:
    old = "import sys; sys.version_info = (3, 10, 4, 'final', 0); import mos_cli.__main__"
    told = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr.startswith("error: mos needs Python 3.11 to 3.13, and this is Python 3.10 (")
    assert told.stderr.count("\n") == 1
    ast.parse(Path(mos_cli.__file__).read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.5, 0.8])
def test_a_ctrl_c_at_any_moment_leaves_no_traceback(seconds: float, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "frozen_modules=on", "-m", "mos_cli", "topics", "tail", "clicks"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, env={"MOS_HOME": str(tmp_path), "PYTHONPATH": _path()})
    time.sleep(seconds)  # whatever it does by then
    run.send_signal(signal.SIGINT)
    _, said = run.communicate()
    assert b"mos_cli" not in said or b"Traceback" not in said, said.decode()


@pytest.mark.parametrize("arguments", [("doctor", "--settings"), ("--help",)])
def test_a_terminal_that_shows_ascii_only_is_no_fault(arguments: tuple[str, ...], tmp_path: Path) -> None:
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "TERM": "dumb", "COLUMNS": "40"}
    run = subprocess.run(
        [sys.executable, "-m", "mos_cli", *arguments],
        env={"MOS_HOME": str(tmp_path), "PYTHONPATH": _path(), **plain},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    run.stdout.decode("ascii")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_that_names_no_file_is_one_line(code: int, mos: Mos, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("mos_online.registry.registry.Registry.versions", fails)
    answer = mos("models", "list")
    assert answer.status == 2
    assert answer.err.startswith(
        f"error: a file cannot be written: {os.strerror(code)}; free some space below MOS_HOME"
    )


def _path() -> str:
    return str(Path(mos_cli.__file__).parents[1])


@pytest.mark.parametrize(
    "fault", [PermissionError(13, "Permission denied", "/x/y"), OSError(28, "No space left on device", "/x/y")]
)
def test_trouble_with_the_disk_is_one_line(fault: OSError, mos: Mos, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("mos_online.registry.registry.Registry.versions", fails)
    answer = mos("models", "list")
    assert answer.status == 2
    assert (
        answer.err == f"error: /x/y: {fault.strerror}; a file or folder of this name cannot be used. Everything is "
        "written below MOS_HOME: `mos doctor` looks at it\n"
    )
