"""The folder of everything that is written: whether we may write there, and where datasets are in it."""

from __future__ import annotations

import os
from pathlib import Path

from mos_online.errors import SettingsError
from mos_online.settings import Settings
from mos_online.variables import nearest


def require_writable(settings: Settings) -> None:
    """Check that MOS_HOME can be written in, or made.

    Raises:
        SettingsError: it cannot.
    """
    there = nearest(settings.home.absolute())
    if not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(
            f"MOS_HOME={settings.home}: user {os.geteuid()} may not write in {there}, which belongs to user "
            f"{there.stat().st_uid}; change its owner or its mode, or set MOS_HOME to another folder"
        )


def datasets_folder(settings: Settings) -> Path:
    """The folder in which datasets are found by name, and into which they are imported."""
    return settings.data_dir or settings.home / "datasets"
