"""Follows all partitions of a topic, outside of any consumer group."""

from __future__ import annotations

from collections.abc import Generator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from streams.kafka.records import Record, of_confluent


def follow(settings: Settings, topic: str, *, from_beginning: bool) -> Generator[Record, None, None]:
    """Records as they come, without end.

    Args:
        settings: where Kafka is.
        topic: its name on the cluster.
        from_beginning: begin with the first record kept instead of the next new one.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    consumer = Consumer(
        {**librdkafka_config(settings), "group.id": settings.group("tail"), "enable.auto.commit": False}
    )
    try:
        found = consumer.list_topics(topic, timeout=15).topics[topic]
        if found.error is not None or not found.partitions:
            raise BrokerError(f"topic {topic} does not exist; create it with `mos topics create`")
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in found.partitions])
        while True:
            for message in consumer.consume(200, 0.2):
                fault = message.error()
                if fault is not None:
                    raise BrokerError(f"cannot read {topic}: {fault.str()}")
                yield of_confluent(message)
    except KafkaException as error:
        raise BrokerError(f"cannot reach Kafka: {error.args[0].str()}; `mos doctor` says more") from None
    finally:
        consumer.close()
