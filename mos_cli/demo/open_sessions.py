"""How many sessions are open, as the worker says it of itself."""

from __future__ import annotations

import re

import httpx

from mos_online.ports import http_address
from mos_online.settings import Settings

_OPEN = re.compile(r"^mos_sessionizer_open_sessions(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def open_sessions(settings: Settings) -> int:
    """The sum of the worker's gauge over its partitions; 0 when the worker does not answer."""
    try:
        text = httpx.get(
            f"{http_address(settings.worker_host, settings.worker_port)}/metrics", timeout=0.5, trust_env=False
        ).text
    except httpx.HTTPError:
        return 0
    return count_open(text)


def count_open(metrics: str) -> int:
    """The sum of the gauge in the text of the worker's metrics."""
    return int(sum(float(value) for value in _OPEN.findall(metrics)))
