"""Folders that no other user of this machine can enter: for what a run executes, and for its sockets."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from mos_online.errors import ServingError

PARENT = Path("/tmp")  # noqa: S108 - checked, and what is made in it is private
"""Short, because UNIX sockets lie deep inside the folder of a run, and their paths have about 100 characters."""


def private_folder(prefix: str, *, parent: Path = PARENT) -> Path:
    """Make a new folder with mode 0700, whatever the umask is.

    Its name cannot be guessed and it is made in one step, so nobody can put a folder or a link there first.

    Raises:
        ServingError: other users may rename folders in ``parent``.
    """
    found = parent.stat()
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if (shared and not found.st_mode & stat.S_ISVTX) or found.st_uid not in {0, os.geteuid()}:
        raise ServingError(
            f"{parent} cannot hold private folders: its mode is {stat.filemode(found.st_mode)} and its owner "
            f"{found.st_uid}, so other users may replace what is in it; make it root's with `chmod 1777 {parent}`"
        )
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o700)
    require_private(folder)
    return folder


def require_private(folder: Path) -> None:
    """Refuse a folder that anybody else could have made, or could change.

    Raises:
        ServingError: it is no folder but a link, belongs to another user, or others may enter it.
    """
    if reason := _fault(folder):
        raise ServingError(f"{folder} {reason}; nothing is executed from there. Remove it and start again")


def is_private(folder: Path) -> bool:
    """Say whether ``folder`` is ours alone."""
    return _fault(folder) is None


def _fault(folder: Path) -> str | None:
    try:
        found = folder.lstat()
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.geteuid():
        return f"belongs to user {found.st_uid}, not to us"
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"is open to others (mode {stat.filemode(found.st_mode)})"
    return None
