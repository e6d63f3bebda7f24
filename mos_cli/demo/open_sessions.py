"""How many sessions are open, as the worker says it of itself."""

from __future__ import annotations

import re
import time

import httpx

from mos_online.ports import http_address
from mos_online.settings import Settings

_OPEN = re.compile(r"^mos_sessionizer_open_sessions(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)

EVERY = 1.0
"""Seconds between two questions: the replay waits for each answer."""


class OpenSessions:
    """Asks the running worker, now and then."""

    def __init__(self, settings: Settings) -> None:
        """Connect when it is needed."""
        address = http_address(settings.worker_host, settings.worker_port)
        self._http = httpx.Client(base_url=address, timeout=0.5, trust_env=False)
        self._count = 0
        self._due = 0.0

    def __call__(self) -> int:
        """The sum of the worker's gauge over its partitions, at most about a second old; 0 if it did not answer."""
        if time.monotonic() >= self._due:
            try:
                self._count = count_open(self._http.get("/metrics").text)
            except httpx.HTTPError:
                self._count = 0
            self._due = time.monotonic() + EVERY
        return self._count

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def count_open(metrics: str) -> int:
    """The sum of the gauge in the text of the worker's metrics."""
    return int(sum(float(value) for value in _OPEN.findall(metrics)))
