"""What consumer groups have committed on the ``clicks`` topic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from confluent_kafka import Consumer, KafkaException, TopicPartition

from mos_online import contracts
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from simulator.replay.clicks_topic import AWAY, QUIET, TIMEOUT, partitions_of
from simulator.replay.lag import LagGuard, LagLimits


class GroupOffsets:
    """What consumer groups have committed on the ``clicks`` topic; joins none of them.

    Raises:
        BrokerError: Kafka cannot be reached, or the topic does not exist.
    """

    def __init__(self, settings: Settings, groups: Sequence[str]) -> None:
        self._name = settings.topic(contracts.CLICKS)
        self._groups = list(groups)
        self._consumers = [
            Consumer({**librdkafka_config(settings), **QUIET, "group.id": group, "enable.auto.commit": False})
            for group in groups
        ]
        count = partitions_of(self._consumers[0], self._name, settings)
        self._wanted = [TopicPartition(self._name, partition) for partition in range(count)]

    @property
    def readers(self) -> str:
        """The names of the consumer groups, for messages."""
        return "consumer group " + ", ".join(self._groups)

    def bounds(self) -> list[tuple[int, int]]:
        """First and next offset of every partition; raises BrokerError if Kafka does not answer."""
        asking = f"the offsets of {self._name} cannot be read"
        try:
            found = [self._consumers[0].get_watermark_offsets(wanted, timeout=TIMEOUT) for wanted in self._wanted]
        except KafkaException as error:
            raise _fault(error, asking) from None
        if None in found:
            raise BrokerUnavailableError(f"{asking}: no answer within {TIMEOUT:.0f} s")
        return found

    def committed(self) -> list[int | None]:
        """The slowest group's position in every partition, None where one has none yet.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
            BrokerError: it refuses.
        """
        slowest: list[int | None] = [None] * len(self._wanted)
        try:
            answers = [consumer.committed(self._wanted, timeout=TIMEOUT) for consumer in self._consumers]
        except KafkaException as error:
            raise _fault(error, "committed offsets cannot be read") from None
        for place, positions in enumerate(zip(*answers, strict=True)):
            offsets = [position.offset for position in positions]
            slowest[place] = None if min(offsets) < 0 else min(offsets)  # negative: nothing committed
        return slowest

    def close(self) -> None:
        """Close the connections."""
        for consumer in self._consumers:
            consumer.close()


def _fault(error: KafkaException, doing: str) -> BrokerError:
    fault = error.args[0]
    kind = BrokerUnavailableError if fault.retriable() or fault.code() in AWAY else BrokerError
    return kind(f"{doing}: {fault.str()}")


@contextmanager
def lag_guard(settings: Settings, groups: Sequence[str], limits: LagLimits | None = None) -> Iterator[LagGuard | None]:
    """A guard that watches consumer ``groups`` of the ``clicks`` topic; None if there are none.

    Args:
        settings: where Kafka is.
        groups: names as on the cluster, with the namespace.
        limits: default ``LagLimits.of(settings)``.

    Raises:
        BrokerError: Kafka cannot be reached, or the topic does not exist.
    """
    if not groups:
        yield None
        return
    offsets = GroupOffsets(settings, groups)
    try:
        yield LagGuard(offsets, limits or LagLimits.of(settings), now=monotonic())
    finally:
        offsets.close()
