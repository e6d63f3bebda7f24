"""The one way in which the worker publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mos_online.errors import BrokerError, ContractError
from mos_online.kafka_config import producer_config
from mos_online.settings import Settings

HIGH_WATER = 20_000
"""With more records than this on their way, ``relieve`` waits for all of them."""


class Outbox:
    """Publishes in the background; ``flush`` tells when everything has been delivered.

    A record that could not be delivered (librdkafka has retried for five minutes by then) can only be made again
    from the input, so from then on every ``flush`` fails and the worker must start anew from its last checkpoint.
    """

    def __init__(self, settings: Settings) -> None:
        """Connect in the background.

        Raises:
            BrokerError, SettingsError: as ``producer_config``.
        """
        self._producer = Producer({**producer_config(settings), "queue.buffering.max.messages": 10 * HIGH_WATER})
        self._failure: str | None = None

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        *,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        """Send soon. Thread-safe; waits only while ten times ``HIGH_WATER`` records are on their way.

        Args:
            topic: its name on the cluster.
            key: what the partition is chosen by.
            value: the record.
            partition: instead of the one chosen by the key.
            headers: of the record.

        Raises:
            ContractError: the record is larger than the client may send ("too_large").
            BrokerError: the client refuses for another reason.
        """
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition=-1 if partition is None else partition,
                    on_delivery=self._delivered,
                    headers=list(headers.items()) if headers else None,
                )
            except BufferError:
                self._producer.poll(0.01)
            except KafkaException as error:
                fault = error.args[0]
                if fault.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    raise ContractError("too_large", f"a record of {len(value)} bytes for {topic}") from None
                raise BrokerError(f"cannot publish to {topic}: {fault.str()}") from None
            else:
                self._producer.poll(0)
                return

    async def flush(self) -> None:
        """Wait, off the event loop, until everything published so far has been delivered.

        Raises:
            BrokerError: a record was not.
        """
        if len(self._producer):
            await asyncio.to_thread(self._producer.flush)
        if self._failure is not None:
            raise BrokerError(self._failure)

    async def relieve(self) -> None:
        """``flush`` if more than ``HIGH_WATER`` records are on their way.

        Raises:
            BrokerError: as ``flush``.
        """
        if len(self._producer) > HIGH_WATER:
            await self.flush()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = (
                f"Kafka did not accept a record for {message.topic()}: {error.str()}. Nothing is lost: the worker goes "
                "on from its last checkpoint when it is started again"
            )
