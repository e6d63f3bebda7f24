"""Session embeddings in, recommendations out: asks the service for every user whose session has just closed."""

from __future__ import annotations

import time
from itertools import count

import httpx
import msgspec

from mos_online import contracts
from mos_online.contracts import RankedItem, Recommendation, Served, SessionEmbedding, request_id_of
from mos_online.errors import ContractError, ServingError
from streams import metrics
from streams.kafka.dead_letters import record_at_fault
from streams.kafka.decoding import json_decoder
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.processors.retry import LONGEST, RetryPolicy

ITEMS = 10
TIMEOUT = 10.0
TRIES = 5
"""So often a request is sent that the service answers with status 500; then it counts as refused."""

_decode = json_decoder(SessionEmbedding)


class _Response(Served, frozen=True, kw_only=True):
    """The part of the service's answer that we publish; see serving/http/api.py."""

    items: list[RankedItem]


class _Responses(msgspec.Struct):
    responses: list[_Response]


class _BusyError(ServingError):
    """The service asks to be left alone for ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RecommenderProcessor(Processor[SessionEmbedding]):
    """Waits for the service for as long as it takes; a request that it refuses makes its record a dead letter."""

    name = "recommender"
    topic = contracts.SESSION_EMBEDDINGS
    batch_size = 32
    batch_wait = 0.005

    def __init__(self, context: WorkerContext) -> None:
        self._serving = RetryPolicy(on=ServingError, retries=metrics.RETRIES.labels(self.name, "serving"))
        super().__init__(context, retry=self._serving)
        key = context.settings.api_key
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        self._client = httpx.AsyncClient(base_url=context.settings.recommend_url, headers=headers, timeout=TIMEOUT)

    def decode(self, value: bytes | None) -> SessionEmbedding:
        """Decode the embedding that the profiler has made of a session."""
        return _decode(value)

    async def on_close(self) -> None:
        """Close the connections to the service."""
        await self._client.aclose()

    async def work(self, records: list[Record]) -> None:
        """Ask for a batch and publish the answers; a batch that is refused is asked for one by one."""
        await self.isolate(self.read(records), self._answer)

    async def _answer(self, batch: list[tuple[Record, SessionEmbedding]]) -> None:
        wanted = [request_id_of(embedding.session_id) for _, embedding in batch]
        requests = [
            {"request_id": request_id, "user_id": embedding.user_id, "k": ITEMS, "timestamp": embedding.ended_at}
            for request_id, (_, embedding) in zip(wanted, batch, strict=True)
        ]
        with record_at_fault():
            body = msgspec.json.encode({"requests": requests})
        with metrics.STAGE_SECONDS.labels(self.name, "ask").time():
            tries = count(1)
            answers = await self._serving.call(lambda: self._ask(body, wanted, attempt=next(tries)))
        for (record, embedding), answer in zip(batch, answers, strict=True):
            recommendation = Recommendation(
                request_id=answer.request_id,
                user_id=embedding.user_id,
                items=answer.items,
                experiment=answer.experiment,
                arm=answer.arm,
                model_version=answer.model_version,
                router_version=answer.router_version,
                trigger="session_closed",
                session_id=embedding.session_id,
                created_at=time.time_ns() // 1_000_000,
                fallback=answer.fallback,
            )
            if self.publish(record, contracts.RECOMMENDATIONS, embedding.user_id, recommendation):
                metrics.RECOMMENDATIONS.inc()

    async def _ask(self, body: bytes, wanted: list[str], *, attempt: int) -> list[_Response]:
        try:
            answer = await self._client.post("/v1/recommend/batch", content=body)
        except httpx.HTTPError as error:
            raise ServingError(
                f"{self._client.base_url} does not answer ({error!r}); start it with `mos serve` or set MOS_SERVE_URL"
            ) from None
        if answer.status_code in (401, 403):
            raise ServingError(f"{self._client.base_url} refuses our key: set MOS_API_KEY as the service has it")
        # The service will never answer such a request: refused, or failing again and again.
        refused = answer.is_client_error and answer.status_code not in (404, 408, 429)
        if refused or (answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and attempt >= TRIES):
            raise ContractError("request_refused", f"status {answer.status_code}: {answer.text[:500]}")
        if not answer.is_success:
            later = answer.headers.get("Retry-After", "")
            raise _BusyError(
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
