"""The folders that we write to and read from."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from mos_cli.findings import Finding, Status, failed
from mos_cli.home import require_writable
from mos_online.errors import SettingsError
from mos_online.settings import Settings
from mos_online.variables import nearest

WARN_FREE, FAIL_FREE = 2 * 2**30, 200 * 2**20
"""Free bytes under MOS_HOME; a model, the profiles of a million users and Ray's logs take about 2 GiB."""


def home(settings: Settings) -> Finding:
    """Whether we may write in MOS_HOME, or make it, and nobody else may."""
    part, home = "MOS_HOME", settings.home.absolute()
    try:
        require_writable(settings)
    except SettingsError as error:
        return failed(part, error)
    open_to_others = [folder for folder in _folders(home) if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]
    if open_to_others:
        listed = " ".join(map(str, open_to_others))
        return Finding(
            part=part,
            status=Status.WARN,
            found=f"other users may write in {listed}: they could replace models and profiles",
            remedy=f"chmod go-w {listed}",
        )
    later = "" if home.exists() else " does not exist yet; it is made when it is needed"
    return Finding(part=part, status=Status.PASS, found=f"{home}{later}")


def _folders(home: Path) -> list[Path]:
    """MOS_HOME and the folders in it."""
    if not home.is_dir():
        return []
    return [home, *sorted(path for path in home.iterdir() if path.is_dir() and not path.is_symlink())]


def data(settings: Settings) -> Iterator[Finding]:
    """Whether the folder of datasets is there, if one is set."""
    folder = settings.data_dir
    if folder is None:
        return
    part = "MOS_DATA_DIR"
    try:
        names = sorted(path.parent.name for path in folder.glob("*/events.parquet"))
        missing = not folder.is_dir()
    except OSError as error:
        names, missing = [], True
        folder = Path(f"{folder} ({error.strerror})")
    if missing:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{folder} is no folder that can be read",
            remedy="correct MOS_DATA_DIR, or unset it; `--dataset synthetic` and paths of folders work without it",
        )
    elif not names:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{folder} holds no dataset: there is no NAME/events.parquet in it",
            remedy="set MOS_DATA_DIR to the folder that holds the folders of the datasets",
        )
    else:
        yield Finding(part=part, status=Status.PASS, found=f"{folder}: {', '.join(names)}")


def disk(settings: Settings) -> Finding:
    """Whether there is room under MOS_HOME."""
    folder = nearest(settings.home.absolute())
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free at {folder}"
    if free >= WARN_FREE:
        return Finding(part="disk", status=Status.PASS, found=found)
    status = Status.FAIL if free < FAIL_FREE else Status.WARN
    return Finding(part="disk", status=status, found=found, remedy="free some, or set MOS_HOME to a larger disk")
