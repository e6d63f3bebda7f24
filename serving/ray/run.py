"""A run of Ray on this machine: its folder, its file in MOS_HOME, and the port of ``mos serve``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mos_online.errors import ServingError
from mos_online.ports import bind_fault
from mos_online.processes import locked
from mos_online.settings import Settings
from serving.ray.folders import is_private, private_folder
from serving.ray.reaper import RUN_FOLDER_PREFIX, clean

CLEANING = 15.0
"""Seconds that ending every process of a run may take."""


_REAPER = (sys.executable, "-P", "-m", "serving.ray.reaper")


@contextmanager
def run_folder(settings: Settings) -> Iterator[Path]:
    """Make a folder for Ray's files; every process that writes in it ends with the context, however that ends.

    The folder is short and private: see ``private_folder``.

    Raises:
        ServingError: the port is taken, or another run serves it; or no folder can be private.
    """
    run_file, logs = _files(settings)
    with locked(
        run_file.with_suffix(".lock"),
        what=f"`mos serve` on port {settings.serve_port}",
        instead="choose another port with --port",
        error=ServingError,
    ):
        clear_leftovers(run_file, logs)
        check_port(settings)
        with guarded_folder(run_file, logs) as folder:
            yield folder


@contextmanager
def guarded_folder(run_file: Path, logs: Path) -> Iterator[Path]:
    """Make a private folder; every process that writes in it ends with the context, however that ends.

    Args:
        run_file: where the run notes itself; the caller holds a lock on it and has called ``clear_leftovers``.
        logs: where Ray's logs are kept afterwards.

    Raises:
        ServingError: no folder can be private.
    """
    folder = private_folder(RUN_FOLDER_PREFIX)
    run_file.write_text(json.dumps({"folder": str(folder)}))
    reaper = subprocess.Popen(  # noqa: S603 - our own module
        [*_REAPER, str(folder), str(run_file.resolve()), str(logs.resolve())],
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C, or a kill of our process group, is not for it
    )
    try:
        yield folder
    finally:
        reaper.communicate(timeout=CLEANING)


def check_port(settings: Settings) -> None:
    """Raise ServingError if the port of ``settings`` is taken, and say by whom if the system tells."""
    host, port = settings.serve_host, settings.serve_port
    if fault := bind_fault(host, port):
        raise ServingError(
            f"cannot listen on MOS_SERVE_HOST={host}, port {port}: {fault}{_holder(port)}; stop it, or choose another "
            f"address with --host and --port, or MOS_SERVE_HOST and MOS_SERVE_PORT"
        )


def _files(settings: Settings) -> tuple[Path, Path]:
    """Where a run notes itself, and where Ray's logs of the last run are kept."""
    name = f"serve-{settings.serve_port}"
    return settings.home / f"{name}.json", settings.home / "logs" / name


def clear_leftovers(run_file: Path, logs: Path) -> None:
    """End what a run has left that was killed together with its reaper; the lock says that it is no more."""
    try:
        folder = Path(json.loads(run_file.read_text())["folder"])
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        run_file.unlink(missing_ok=True)
        return
    if folder.name.startswith(RUN_FOLDER_PREFIX) and is_private(folder):
        clean(folder, run_file, logs)
    else:  # gone after a restart of the machine; what others have put there since is not touched
        run_file.unlink(missing_ok=True)


def _holder(port: int) -> str:
    """The process that listens on a port, in words; nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f" by pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        pass
    return ""
