"""Session embeddings in, recommendations out: asks the service for every user whose session has just closed."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import httpx
import msgspec

from mos_online import contracts
from mos_online.contracts import RankedItem, Recommendation, SessionEmbedding
from mos_online.errors import ServingError
from streams import metrics
from streams.kafka.dead_letters import dead_letter
from streams.kafka.producer import RecordProducer
from streams.kafka.records import Record
from streams.processors.base import Context
from streams.runtime.app import raw_topic
from streams.runtime.batches import BatchConsumer
from streams.runtime.retry import LONGEST, RetryPolicy

ITEMS = 10
TIMEOUT = 10.0
BATCH = 32
TRIES = 5
"""So often a request is sent that the service answers with status 500; then it counts as refused."""

_embeddings = msgspec.json.Decoder(SessionEmbedding)


class _Fallback(msgspec.Struct):
    reason: str


class _Response(msgspec.Struct):
    """The part of the service's answer that we publish; see serving/http/api.py."""

    items: list[RankedItem]
    model_version: str
    router_version: str
    fallback: _Fallback | None = None


class _Responses(msgspec.Struct):
    responses: list[_Response]


class _RefusedError(Exception):
    """The service will never answer this request (4xx, or 500 again and again)."""


class _BusyError(ServingError):
    """The service asks to be left alone for ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RecommenderProcessor:
    """Batches of up to ``BATCH``; waits for the service for as long as it takes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        key = context.settings.api_key
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        self._client = httpx.AsyncClient(base_url=context.settings.recommend_url, headers=headers, timeout=TIMEOUT)
        self._producer = RecordProducer(context.settings)
        self._retry = RetryPolicy(on=ServingError, retries=metrics.SERVING_RETRIES)
        self._batches = BatchConsumer(self.work, size=BATCH, within=0.005)

    @property
    def ready(self) -> bool:
        """Always: it keeps no state of its own."""
        return True

    @property
    def waiting(self) -> str | None:
        """The last error of the service, while it does not work."""
        return self._retry.waiting

    def register(self, app: Any) -> None:
        """Add the agent."""
        app.agent(raw_topic(app, self._context.settings, contracts.SESSION_EMBEDDINGS), name="recommender")(self._run)

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Nothing to load."""

    async def revoked(self) -> None:
        """Break off what is at work; it will be delivered again."""
        await self._batches.revoke()

    async def close(self) -> None:
        """Likewise."""
        await self._batches.revoke()
        await self._client.aclose()

    async def _run(self, stream: Any) -> None:
        try:
            await self._batches.run(stream)
        except Exception as error:
            self._context.fail(error)
            raise

    async def work(self, records: list[Record]) -> None:
        """Ask for a batch and publish the answers; a batch that is refused is asked for one by one."""
        read = [(record, found) for record in records if (found := self._decode(record)) is not None]
        if read:
            try:
                await self._answer(read)
            except _RefusedError as error:
                if len(read) == 1:
                    self._dead_letter(read[0][0], "request_refused", str(error))
                else:
                    for record, _ in read:
                        await self.work([record])
        await self._producer.flush()

    async def _answer(self, read: list[tuple[Record, SessionEmbedding]]) -> None:
        requests = [{"user_id": e.user_id, "k": ITEMS, "timestamp": e.ended_at} for _, e in read]
        body = msgspec.json.encode({"requests": requests})
        with metrics.STAGE_SECONDS.labels("recommender", "ask").time():
            tries = count(1)
            answers = await self._retry.call(lambda: self._ask(body, len(read), attempt=next(tries)))
        topic = self._context.settings.topic(contracts.RECOMMENDATIONS)
        for (record, embedding), answer in zip(read, answers, strict=True):
            recommendation = Recommendation(
                request_id=f"rec-{embedding.session_id}",
                user_id=embedding.user_id,
                items=answer.items,
                model_version=answer.model_version,
                router_version=answer.router_version,
                trigger="session_closed",
                session_id=embedding.session_id,
                created_at=time.time_ns() // 1_000_000,
                fallback=answer.fallback.reason if answer.fallback else None,
            )
            self._producer.publish(
                topic,
                embedding.user_id.encode(),
                contracts.encode(recommendation),
                partition=record.partition,
                headers=record.headers,
            )
            metrics.RECOMMENDATIONS.inc()
            metrics.observe_delay(contracts.RECOMMENDATIONS, record.headers)

    async def _ask(self, body: bytes, wanted: int, *, attempt: int) -> list[_Response]:
        try:
            answer = await self._client.post("/v1/recommend/batch", content=body)
        except httpx.HTTPError as error:
            raise ServingError(
                f"{self._client.base_url} does not answer ({error!r}); start it with `mos serve` or set MOS_SERVE_URL"
            ) from None
        if answer.status_code in (401, 403):
            raise ServingError(f"{self._client.base_url} refuses our key: set MOS_API_KEY as the service has it")
        refused = answer.is_client_error and answer.status_code not in (404, 408, 429)
        if refused or (answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and attempt >= TRIES):
            raise _RefusedError(f"status {answer.status_code}: {answer.text[:500]}")
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
        if len(responses) != wanted:
            raise ServingError(f"{self._client.base_url} gave {len(responses)} answers to {wanted} requests")
        return responses

    def _decode(self, record: Record) -> SessionEmbedding | None:
        try:
            return _embeddings.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._dead_letter(record, "invalid", str(error))
            return None

    def _dead_letter(self, record: Record, reason: str, message: str) -> None:
        dead_letter(self._producer, self._context.settings, record, reason=reason, message=message)
