"""Whether we may write in MOS_HOME: asked before work whose result would be lost."""

from __future__ import annotations

import os

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
