"""Follows all partitions of a topic, outside of any consumer group."""

from __future__ import annotations

from collections.abc import Callable, Generator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from publishing.faults import broker_error
from publishing.outage import Outage
from streams.kafka.records import Record, of_confluent

TIMEOUT = 15.0
"""Seconds for Kafka to describe a topic at the start."""


def follow(
    settings: Settings, topic: str, *, from_beginning: bool, say: Callable[[str], None]
) -> Generator[Record, None, None]:
    """Records as they come, without end. A Kafka that goes away is waited for.

    Args:
        settings: where Kafka is.
        topic: its name on the cluster.
        from_beginning: begin with the first record kept instead of the next new one.
        say: is given a line when Kafka goes away, and when it is back.

    Raises:
        BrokerError: Kafka cannot be reached at the start, refuses, or was the embedded broker and was started anew;
            or there is no such topic.
    """
    config = librdkafka_config(settings)
    outage = Outage(settings, config["bootstrap.servers"], say)
    consumer = Consumer(
        {
            **config,
            "group.id": settings.group("tail"),
            "enable.auto.commit": False,
            "log_level": 2,
            "error_cb": outage.note,
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
        if found.error is not None or not found.partitions:
            raise BrokerError(f"topic {topic} does not exist; create it with `mos topics create`")
        start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        consumer.assign([TopicPartition(topic, number, start) for number in found.partitions])
        while True:
            for message in consumer.consume(200, 0.2):
                fault = message.error()
                if fault is not None:
                    outage.note(fault)
                else:
                    outage.over()
                    yield of_confluent(message)
            outage.look(consumer, topic)
    except KafkaException as error:
        raise broker_error(error, "cannot reach Kafka") from None
    finally:
        consumer.close()
