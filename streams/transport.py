"""Faust's Kafka transport with a short wait for new records.

Faust lets the broker hold a fetch for 1.5 s and has no setting for it. A real broker answers as soon as a record comes,
but librdkafka's mock cluster only when the wait is over, which would delay every stage by most of a second.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

FETCH_WAIT_MS = 20


class PromptThread(AIOKafkaConsumerThread):  # type: ignore[misc] # Faust's own types are not checked here
    """Creates consumers whose fetches wait briefly."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # read when the consumer starts
        return consumer


class PromptConsumer(Consumer):  # type: ignore[misc]
    """Runs a ``PromptThread``."""

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(Transport):  # type: ignore[misc]
    """Set it as ``app.transport`` before the application starts."""

    Consumer = PromptConsumer
