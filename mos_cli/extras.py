"""What is installed only on request, and what to say when it is missing."""

from __future__ import annotations

import importlib.util

from mos_online.errors import SettingsError

EVALUATION = ("matplotlib",)
"""Packages of the extra ``mos-online[evaluation]``."""


def need_evaluation() -> None:
    """Check that reports with figures can be written.

    Raises:
        SettingsError: a package is missing; the message says how to install it.
    """
    missing = [name for name in EVALUATION if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"figures and reports need {', '.join(missing)}, which is not installed: install the extra with "
            f"`pip install 'mos-online[evaluation]'` (in a checkout: `make setup`)"
        )
