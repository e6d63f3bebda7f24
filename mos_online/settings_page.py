"""Writes the page about the settings, from their definition.

    python -m mos_online.settings_page docs/settings.md

writes the page; ``make schemas`` does so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from mos_online.settings import Settings
from mos_online.system_settings import PREFIX

_INTRODUCTION = """# Settings

This page is made from `mos_online/settings.py` by `make schemas`; do not edit it. [Run it in
production](operations.md#settings) says how settings are read.

Durations are in seconds. A setting without a default is not set.

| setting | default | meaning |
|---|---|---|
"""


def page() -> str:
    """List every setting in the order of its definition, with its default and its meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        meaning = " ".join([field.description or "", *_values(field.annotation)]).strip()
        rows.append(f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {meaning} |\n")
    return _INTRODUCTION + "".join(rows)


def _default(value: object) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(annotation: Any) -> list[str]:
    """A sentence about the values of a setting that has few."""
    if get_origin(annotation) is not Literal:
        return []
    *most, last = (f"`{value}`" for value in get_args(annotation))
    return [f"Its value is {', '.join(most)} or {last}."]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
