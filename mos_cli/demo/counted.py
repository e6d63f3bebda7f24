"""Up to when the service has counted clicks, as it says of itself."""

from __future__ import annotations

import re

import httpx

from mos_online.ports import is_loopback
from mos_online.settings import Settings

_COUNTED = re.compile(r"^mos_serving_counts_timestamp_seconds\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class CountedClicks:
    """Asks the running service; nothing is counted where it does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Connect when it is needed."""
        url = settings.recommend_url
        headers = {"X-API-Key": settings.api_key} if settings.api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=2.0, trust_env=not is_loopback(url))

    def __call__(self) -> dict[tuple[str, int], int]:
        """Kind of counts and partition -> event time (ms)."""
        try:
            return counted_to(self._http.get("/metrics").text)
        except httpx.HTTPError:
            return {}

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def counted_to(metrics: str) -> dict[tuple[str, int], int]:
    """The same, from the text of the service's metrics.

    >>> counted_to('mos_serving_counts_timestamp_seconds{of="popularity",partition="2"} 1.5')
    {('popularity', 2): 1500}
    """
    found = {}
    for labels, seconds in _COUNTED.findall(metrics):
        named = dict(_LABEL.findall(labels))
        found[named["of"], int(named["partition"])] = round(float(seconds) * 1000)
    return found
