"""A running service as a site uses it: lists for users, and what users did with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import httpx
import msgspec

from mos_online.contracts import Click, Impression, RankedItem, ServedAnswer
from mos_online.errors import ServingError, SettingsError
from mos_online.ports import is_loopback
from mos_online.recommend.query import Query
from mos_online.settings import Settings

TIMEOUT = 10.0
MOST_REQUESTS, MOST_EVENTS = 64, 500
"""Of one call."""
LATER = (408, 429, 500, 502, 503, 504)
"""Answers after which it is worth to try again."""


class AwayError(ServingError):
    """The service does not answer now; the same call may work later."""


class Response(ServedAnswer, frozen=True, kw_only=True):
    """The part of an answer that a site needs."""

    items: list[RankedItem]


class Sent(NamedTuple):
    """Impressions and clicks that Kafka has, by the word of the service."""

    impressions: int
    clicks: int


class _Responses(msgspec.Struct):
    responses: list[Response]


class SiteClient:
    """Asks a service over HTTP, for one caller at a time."""

    def __init__(self, settings: Settings, *, transport: httpx.BaseTransport | None = None) -> None:
        """Connect when it is needed.

        Args:
            settings: where the service is, and our key.
            transport: in place of the network; for tests.

        Raises:
            SettingsError: a proxy of the environment cannot be used.
        """
        key, url = settings.api_key, settings.recommend_url
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        try:
            self._client = httpx.Client(
                base_url=url, headers=headers, timeout=TIMEOUT, trust_env=not is_loopback(url), transport=transport
            )
        except (ImportError, ValueError) as error:
            raise SettingsError(f"a proxy for {url} cannot be used: {error}; correct HTTP_PROXY or NO_PROXY") from None

    def __enter__(self) -> SiteClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, queries: Sequence[Query], request_ids: Sequence[str]) -> list[Response]:
        """Lists for 1 to ``MOST_REQUESTS`` users, in their order.

        Raises:
            AwayError: the service does not answer now.
            ServingError: it refuses the requests.
        """
        requests = [
            {
                "user_id": query.user_id,
                "k": query.k,
                "events": query.events,
                "timestamp": query.timestamp,
                "request_id": name,
            }
            for query, name in zip(queries, request_ids, strict=True)
        ]
        answer = self._post("/v1/recommend/batch", {"requests": requests})
        try:
            return msgspec.json.decode(answer.content, type=_Responses).responses
        except msgspec.MsgspecError as error:
            raise ServingError(f"{self._client.base_url} sent something else than its contract: {error}") from None

    def send(self, reports: Sequence[Impression | Click]) -> Sent:
        """Send impressions and clicks, any number; returns when Kafka has them.

        Raises:
            AwayError: they are not all there; send all of them again.
            ServingError: the service refuses an event.
        """
        impressions = clicks = 0
        for begin in range(0, len(reports), MOST_EVENTS):
            some = reports[begin : begin + MOST_EVENTS]
            shown = [one for one in some if isinstance(one, Impression)]
            clicked = [one for one in some if isinstance(one, Click)]
            self._post("/v1/events", {"clicks": clicked, "impressions": shown})
            impressions, clicks = impressions + len(shown), clicks + len(clicked)
        return Sent(impressions, clicks)

    def _post(self, path: str, body: object) -> httpx.Response:
        url = self._client.base_url
        try:
            answer = self._client.post(path, content=msgspec.json.encode(body))
        except httpx.HTTPError as error:
            raise AwayError(f"{url} does not answer ({error!r}); start it with `mos up`") from None
        if answer.is_success:
            return answer
        if answer.status_code in LATER:
            raise AwayError(f"{url}{path} answered with status {answer.status_code}: {answer.text[:300]}")
        if answer.status_code in (401, 403):
            raise ServingError(f"{url} refuses our key: set MOS_API_KEY as the service has it; {path} needs its scope")
        raise ServingError(f"{url}{path} refuses a request with status {answer.status_code}: {answer.text[:500]}")
