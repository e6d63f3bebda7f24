"""Ends whatever a run of ``mos serve`` has started, also when that run itself was killed.

Ray ends its own processes when the driver goes, with exceptions: after ``kill -9`` HAProxy lives on and holds the
port, and two agents live on with it. So each run has a folder of its own in which all its processes have their logs,
and a small process beside it::

    python -P -m serving.ray.reaper <folder> <run file> <where logs go>  < a pipe that the run holds open

It waits until the pipe closes, which the kernel does however the run ends, and then cleans up.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil

RUN_FOLDER_PREFIX = "mos-"


def processes(folder: Path) -> list[psutil.Process]:
    """Find the processes that write to files in ``folder``, apart from this one and its ancestors.

    Neither names nor environments would do: Ray's processes write their titles over both.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and _writes(process, folder)]


def end(folder: Path) -> list[str]:
    """Kill the processes of the run in ``folder``, those that appear meanwhile too.

    Returns:
        The names of the killed, for the log.
    """
    killed: list[str] = []
    for _ in range(20):
        found = processes(folder)
        if not found:
            break
        for process in found:
            try:
                killed.append(process.name())
                process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(found, timeout=0.5)
    return killed


def clean(folder: Path, run_file: Path, logs: Path) -> list[str]:
    """End the processes of a run, keep its logs in ``logs`` (in place of older ones), remove its other files."""
    killed = end(folder)
    for session in folder.glob("r/session_*/logs"):
        if not session.parent.is_symlink():
            shutil.rmtree(logs, ignore_errors=True)
            logs.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(session, logs)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(FileNotFoundError):
        if json.dumps(str(folder)) in run_file.read_text():  # else it is of the next run already
            run_file.unlink()
    return killed


def _writes(process: psutil.Process, folder: Path) -> bool:
    try:
        return any(
            Path(file.path).is_relative_to(folder) and getattr(file, "mode", "w") != "r"  # no mode on macOS
            for file in process.open_files()
        )
    except (psutil.Error, OSError):  # gone, or not ours
        return False


def main() -> None:
    """Wait for the end of standard input, then clean up."""
    folder, run_file, logs = (Path(argument) for argument in sys.argv[1:4])
    while os.read(sys.stdin.fileno(), 1024):
        pass
    clean(folder, run_file, logs)


if __name__ == "__main__":
    main()
