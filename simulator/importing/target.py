"""Where an import goes: a folder that is there as a whole or not at all, whenever the import is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mos_online.errors import DatasetError
from simulator.datasets.folder import EVENTS, ITEMS
from simulator.datasets.origin import ORIGIN

_OURS = {EVENTS, ITEMS, ORIGIN}
_NEW, _OLD = "new", "old"


def target_folder(to: str, data_dir: Path) -> Path:
    """The folder that ``--to`` names: a path if it has a slash, else a folder of ``data_dir``.

    Raises:
        DatasetError: it is no name of a folder.
    """
    if "/" in to:
        return Path(to).expanduser().absolute()
    if to in {"", ".", ".."} or to.startswith(".") or ":" in to:
        raise DatasetError(f"--to {to!r} is no name for a dataset: write a word such as shop, or a path such as ./shop")
    return data_dir / to


def require_free(folder: Path, *, force: bool) -> None:
    """Check that a dataset may be written to ``folder``.

    Raises:
        DatasetError: something is there and ``force`` was not said, or it is something else than a dataset.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else None
    if held is None or not held <= _OURS:
        what = "is not a folder" if held is None else f"holds other things, such as {min(held - _OURS)!r}"
        raise DatasetError(f"{folder} {what}: it is not replaced; choose another name with --to")
    if held and not force:
        raise DatasetError(f"{folder} holds a dataset already; --force replaces it, --to gives another name")


@contextmanager
def written(folder: Path, *, force: bool) -> Iterator[Path]:
    """Write a dataset: what is put into the folder that is given becomes ``folder`` when the block ends well.

    The files are written to a hidden folder beside it, which an error removes. What a killed import has left there is
    removed by the next one of the same name, which also brings back a dataset that was about to be replaced.

    Raises:
        DatasetError: the place is taken, cannot be written in, or another import of this name is running.
    """
    beside = folder.parent / f".{folder.name}.importing"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside, os.O_RDONLY)
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be written: {error.strerror}; give a path where you may write: --to ./{folder.name}"
        ) from None
    try:
        _lock(lock, folder)
        if (beside / _OLD).exists() and not folder.exists():
            (beside / _OLD).rename(folder)
        require_free(folder, force=force)
        _empty(beside)
        (beside / _NEW).mkdir()
        try:
            yield beside / _NEW
            _put(beside, folder, force=force)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DatasetError(
            f"another import to {folder} is running; wait for it, or give another name with --to"
        ) from None


def _empty(beside: Path) -> None:
    for path in beside.iterdir():
        shutil.rmtree(path)


def _put(beside: Path, folder: Path, *, force: bool) -> None:
    """Move the new dataset into its place; its files are on disk before."""
    for path in (beside / _NEW).iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    require_free(folder, force=force)
    if folder.exists():
        folder.rename(beside / _OLD)
    (beside / _NEW).rename(folder)
