"""Every setting, what it is and where its value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from mos_online.settings import SECRET, Settings
from mos_online.system_settings import PREFIX

MASK = "********"


class Line(NamedTuple):
    """One setting as text."""

    variable: str
    value: str
    source: str
    description: str


def settings_lines(settings: Settings) -> Iterator[Line]:
    """All settings in the order of their definition; secrets are masked."""
    environment = {name.upper() for name in os.environ}
    for name, field in type(settings).model_fields.items():
        variable = PREFIX + name.upper()
        value = getattr(settings, name)
        yield Line(
            variable=variable,
            value="" if value is None else _masked(name, str(value)),
            source="environment" if variable in environment else "default",
            description=field.description or "",
        )


def _masked(name: str, value: str) -> str:
    """``value``, without what must not be shown: secrets, and the credentials inside a URL."""
    if value and name.endswith(SECRET):
        return MASK
    scheme, separator, rest = value.partition("://")
    return f"{scheme}://{MASK}@{rest.rpartition('@')[2]}" if separator and "@" in rest else value
