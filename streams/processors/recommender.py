"""Session embeddings in, recommendations out: asks the service for every user whose session has just closed."""

from __future__ import annotations

import time

import msgspec

from mos_online import contracts
from mos_online.contracts import Recommendation, SessionEmbedding, request_id_of
from mos_online.errors import ServingError
from streams import metrics
from streams.kafka.dead_letters import record_at_fault
from streams.kafka.decoding import json_decoder
from streams.kafka.records import Record
from streams.processors.base import Processor, WorkerContext
from streams.processors.own_records import check_key, check_time
from streams.processors.retry import RetryPolicy
from streams.processors.serving_client import PendingBatch, ServingClient

ITEMS = 10

_decode = json_decoder(SessionEmbedding)


class RecommenderProcessor(Processor[SessionEmbedding]):
    """Waits for the service for as long as it takes; a request that it refuses makes its record a dead letter.

    An answer without the user's profile is not final. While the service says that it cannot read the online store,
    the processor waits, without a limit: the profiler waits for the same store, so no other sessions come meanwhile.
    If the service can read the store and still not this profile, the answer is published after ``TRIES``.
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
        await self.isolate(self.read(records), self._answer)

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
