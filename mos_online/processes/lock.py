"""Lock files: one process at a time, and the system frees them with their process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mos_online.errors import MosError


@contextmanager
def locked(path: Path, *, what: str, instead: str, error: type[MosError] = MosError) -> Iterator[int]:
    """Hold a lock file for the length of a ``with`` block; gives its open file, which a child may inherit.

    The file stays, because to delete it would let two processes lock two files of one name.

    Args:
        path: of the file; made if it does not exist.
        what: the holder, in words: "an embedded broker".
        instead: what to do if it is held, besides stopping the holder: "choose another MOS_HOME".
        error: what is raised if it is held.

    Raises:
        MosError: another process holds it, whose id is in the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read(20).decode(errors="replace").strip()
            by, stop = (f" (pid {pid})", f"stop it with `kill {pid}`") if pid.isdecimal() else ("", "stop it")
            raise error(f"{what} already runs with {path.parent}{by}; {stop}, or {instead}") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        try:
            yield file.fileno()
        finally:
            file.truncate(0)


def held_locks(folder: Path) -> list[Path]:
    """The lock files in a folder that some process holds."""
    return [path for path in sorted(folder.glob("*.lock")) if _is_held(path)]


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
