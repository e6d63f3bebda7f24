"""Asks the recommendation service for a batch of recommendations, and judges its answers."""

from __future__ import annotations

import httpx
import msgspec

from mos_online.contracts import RankedItem, ServedAnswer
from mos_online.errors import ContractError, ServingError, SettingsError
from mos_online.ports import is_loopback
from mos_online.settings import Settings
from streams.processors.retry import LONGEST

TIMEOUT = 10.0
TRIES = 5
"""So often a request is sent that the service answers with status 500; then it counts as refused. A request is asked so
often by itself, too, if it is answered without its profile although the service can read the online store."""


class Response(ServedAnswer, frozen=True, kw_only=True):
    """The part of the service's answer that we publish; see serving/http/api.py."""

    items: list[RankedItem]


class _Responses(msgspec.Struct):
    responses: list[Response]


class BusyError(ServingError):
    """The service asks to be left alone for ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServingClient:
    """The service's API, as far as the recommender uses it."""

    def __init__(self, settings: Settings) -> None:
        """Connect when it is needed.

        Raises:
            SettingsError: a proxy of the environment cannot be used.
        """
        key, url = settings.api_key, settings.recommend_url
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        try:
            self._client = httpx.AsyncClient(
                base_url=url, headers=headers, timeout=TIMEOUT, trust_env=not is_loopback(url)
            )
        except (ImportError, ValueError) as error:
            raise SettingsError(
                f"a proxy for {url} cannot be used: {error}; correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the "
                "host in NO_PROXY"
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, body: bytes, wanted: list[str], *, attempt: int) -> list[Response]:
        """Ask for recommendations.

        Args:
            body: the requests.
            wanted: their ids.
            attempt: how often they have been sent, this time included.

        Raises:
            ServingError: it may work later.
            ContractError: the service refuses the request, or has failed on it ``TRIES`` times.
        """
        answer = await self._request("POST", "/v1/recommend/batch", body)
        # The service will never answer such a request: refused, or failing again and again.
        refused = answer.is_client_error and answer.status_code not in (404, 408, 429)
        if refused or (answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and attempt >= TRIES):
            raise ContractError("request_refused", f"status {answer.status_code}: {answer.text[:500]}")
        if not answer.is_success:
            later = answer.headers.get("Retry-After", "")
            raise BusyError(
                f"{self._client.base_url} answered with status {answer.status_code}",
                min(float(later), LONGEST) if later.isdecimal() else 0.0,
            )
        try:
            responses = msgspec.json.decode(answer.content, type=_Responses).responses
        except msgspec.MsgspecError as error:
            raise ServingError(f"{self._client.base_url} sent something else than its contract: {error}") from None
        if [response.request_id for response in responses] != wanted:
            raise ServingError(
                f"{self._client.base_url} gave {len(responses)} answers to {len(wanted)} requests, or to other ones"
            )
        return responses

    async def require_ready(self) -> None:
        """Return if the service can read the online store.

        Raises:
            ServingError: it cannot, or does not answer.
        """
        answer = await self._request("GET", "/readyz")
        if not answer.is_success:
            raise ServingError(f"{self._client.base_url} is not ready: {answer.text[:500]}")

    async def _request(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, content=body)
        except httpx.HTTPError as error:
            raise ServingError(
                f"{self._client.base_url} does not answer ({error!r}); start it with `mos serve` or set MOS_SERVE_URL"
            ) from None
        if answer.status_code in (401, 403):
            raise ServingError(f"{self._client.base_url} refuses our key: set MOS_API_KEY as the service has it")
        return answer


class PendingBatch:
    """One batch of requests: it is sent each time that this is called, until it gives answers that are final."""

    def __init__(self, client: ServingClient, body: bytes, wanted: list[str]) -> None:
        """Send nothing yet; the arguments are those of ``ServingClient.ask``."""
        self._client = client
        self._body = body
        self._wanted = wanted
        self._attempts = 0
        self._degraded = 0

    async def __call__(self) -> list[Response]:
        """Send it once more.

        Raises:
            ServingError: it may work later; also if a profile could not be read, up to ``TRIES`` times.
            ContractError: a request is refused, or must be asked by itself.
        """
        if self._degraded:
            await self._client.require_ready()
        self._attempts += 1
        responses = await self._client.ask(self._body, self._wanted, attempt=self._attempts)
        if not any(one.fallback and one.fallback.reason == "store_unavailable" for one in responses):
            return responses
        self._degraded += 1
        if self._degraded < TRIES:
            raise ServingError("the service answers without profiles, because it cannot read the online store")
        if len(responses) > 1:
            raise ContractError("profile_unreadable", "the service cannot read a profile of this batch")
        return responses
