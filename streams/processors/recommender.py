"""Session embeddings in, recommendations out: asks the service for every user whose session has just closed."""

from __future__ import annotations

import logging
import time

import msgspec

from mos_online import contracts
from mos_online.contracts import Recommendation, SessionEmbedding, request_id_of
from mos_online.errors import ServingError
from streams import metrics
from streams.kafka.dead_letters import record_at_fault
from streams.kafka.decoding import json_decoder
from streams.kafka.headers import closable_at
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.processors.own_records import check_key, check_time
from streams.processors.retry import RetryPolicy
from streams.processors.serving_client import PendingBatch, ServingClient

ITEMS = 10

MAX_AGE = 24 * 3_600_000
"""Milliseconds after which nothing is recommended for a closed session any more.

Kafka keeps the offsets of a group without a member for longer than that, by default for seven days. So whoever finds
them expired recommends for no session twice, although all sessions that the topics keep are read again.
"""

log = logging.getLogger(__name__)

_decode = json_decoder(SessionEmbedding)


class RecommenderProcessor(Processor[SessionEmbedding]):
    """Waits for the service for as long as it takes; a request that it refuses makes its record a dead letter.

    An answer without the user's profile is not final. While the service says that it cannot read the online store,
    the processor waits, without a limit: the profiler waits for the same store, so no other sessions come meanwhile.
    If the service can read the store and still not this profile, the answer is published after ``TRIES``.

    Nothing is recommended for a session that could close more than ``MAX_AGE`` ago, by the clock of Kafka. Event time
    does not matter: the sessions of an old log that is replayed now close now.
    """

    name = "recommender"
    topic = contracts.SESSION_EMBEDDINGS
    outputs = (contracts.RECOMMENDATIONS,)
    batch_size = 32
    batch_wait = 0.005

    def __init__(self, context: WorkerContext) -> None:
        self._serving = RetryPolicy(on=ServingError, retries=metrics.RETRIES.labels(self.name, "serving"))
        super().__init__(context, retry=self._serving)
        self._client = ServingClient(context.settings)
        self._warned = False

    def decode(self, value: bytes | None) -> SessionEmbedding:
        """Decode the embedding that the profiler has made of a session."""
        return _decode(value)

    def check(self, record: Record, message: SessionEmbedding) -> None:
        """The service refuses to recommend for a moment that is far ahead."""
        check_key(record, message.user_id)
        check_time("closed_at", message.closed_at, record, self.rules)

    async def on_close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    async def work(self, records: list[Record]) -> None:
        """Ask for a batch and publish the answers; a batch that is refused is asked for one by one."""
        await self.isolate(self._young(self.read(records)), self._answer)

    def _young(self, found: list[tuple[Record, SessionEmbedding]]) -> list[tuple[Record, SessionEmbedding]]:
        """Those whose sessions are not too old; the others are counted."""
        now = time.time_ns() // 1_000_000
        young = [one for one in found if now - _closed_at(one[0], now) <= MAX_AGE]
        if old := len(found) - len(young):
            metrics.OLD_SESSIONS.inc(old)
            if not self._warned:
                log.warning("nothing is recommended for sessions that closed more than a day ago, and these come now")
                self._warned = True
        return young

    async def _answer(self, batch: list[tuple[Record, SessionEmbedding]]) -> None:
        wanted = [request_id_of(embedding.session_id) for _, embedding in batch]
        requests = [
            {
                "request_id": request_id,
                "user_id": embedding.user_id,
                "k": ITEMS,
                "timestamp": embedding.closed_at,
                "trigger": "session_closed",
            }
            for request_id, (_, embedding) in zip(wanted, batch, strict=True)
        ]
        with record_at_fault():
            body = msgspec.json.encode({"requests": requests})
        with metrics.STAGE_SECONDS.labels(self.name, "ask").time():
            answers = await self._serving.call(PendingBatch(self._client, body, wanted))
        for (record, embedding), answer in zip(batch, answers, strict=True):
            recommendation = Recommendation(
                request_id=answer.request_id,
                user_id=embedding.user_id,
                items=answer.items,
                assignments=answer.assignments,
                model_version=answer.model_version,
                router_version=answer.router_version,
                trigger="session_closed",
                session_id=embedding.session_id,
                created_at=time.time_ns() // 1_000_000,
                fallback=answer.fallback,
                popularity_as_of=answer.popularity_as_of,
                co_clicks_as_of=answer.co_clicks_as_of,
            )
            if self.publish(record, contracts.RECOMMENDATIONS, embedding.user_id, recommendation):
                metrics.RECOMMENDATIONS.inc()


def _closed_at(record: Record, now: int) -> int:
    """When the session could close, by the clock of Kafka (ms)."""
    at = closable_at(record.headers)
    return record.arrived_at(now) if at is None else at
