"""Lists and creates our topics on a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from mos_online import contracts
from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings

TIMEOUT = 15.0
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
"""The configuration of a topic whose records bear the broker's time, whatever their producers' clocks say (ADR 12)."""


@dataclass(frozen=True, kw_only=True)
class TopicState:
    """One of our topics on the cluster; ``partitions`` is 0 where it does not exist."""

    name: str
    partitions: int


def topic_states(settings: Settings) -> list[TopicState]:
    """Ask Kafka for the state of each of our topics.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})
    try:
        found = admin.list_topics(timeout=TIMEOUT).topics
    except KafkaException as error:
        raise BrokerError(f"cannot reach Kafka: {error.args[0].str()}; `mos doctor` says more") from None
    return [
        TopicState(name=name, partitions=len(found[name].partitions) if name in found else 0)
        for name in map(settings.topic, contracts.TOPICS)
    ]


def timestamp_type(admin: AdminClient, topic: str) -> str:
    """Who writes the timestamps of a topic's records: "LogAppendTime" (the broker) or "CreateTime" (their producers).

    Raises:
        KafkaException: the broker does not say. The embedded one never does; its records bear their producers' times.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    found = admin.describe_configs([resource], request_timeout=TIMEOUT)[resource].result(TIMEOUT)
    return str(found["message.timestamp.type"].value)


def check_topics(settings: Settings) -> int:
    """Check our topics and return the number of partitions that they share.

    Raises:
        BrokerError: Kafka cannot be reached, a topic is missing, or they differ in their partitions: a user must have
            the same partition number everywhere.
    """
    states = topic_states(settings)
    missing = [s.name for s in states if s.partitions == 0]
    if missing:
        raise BrokerError(f"there is no topic {', '.join(missing)}; create what is missing with `mos topics create`")
    counts = {s.name: s.partitions for s in states if s.name != settings.topic(contracts.DEAD_LETTERS)}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise BrokerError(
            f"the topics must have the same number of partitions, because a user has one partition number in all of "
            f"them, but {found}: delete the odd ones and create them again with `mos topics create`"
        )
    return max(counts.values())


def create_topics(settings: Settings, *, replication: int | None) -> list[str]:
    """Create the topics that do not exist; returns their names.

    Raises:
        BrokerError: Kafka cannot be reached or refuses, or the topics that exist differ in their partitions: a user
            must have the same partition number everywhere.
    """
    states = topic_states(settings)
    odd = [s for s in states if s.partitions not in (0, settings.partitions)]
    if odd:
        found = ", ".join(f"{s.name} has {s.partitions}" for s in odd)
        raise BrokerError(
            f"every topic must have MOS_PARTITIONS={settings.partitions} partitions, but {found}: set MOS_PARTITIONS "
            "to that number if all agree, else delete the odd ones and create them again"
        )
    missing = [s.name for s in states if s.partitions == 0]
    compacted = settings.topic(contracts.SESSIONIZER_CHECKPOINTS)
    topics = [
        NewTopic(
            name,
            num_partitions=settings.partitions,
            replication_factor=-1 if replication is None else replication,  # -1: as the cluster is set up
            config={**BROKER_TIME, **({"cleanup.policy": "compact"} if name == compacted else {})},
        )
        for name in missing
    ]
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})  # must live until the futures are done
    if topics:
        for name, done in admin.create_topics(topics).items():
            try:
                done.result(TIMEOUT)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise BrokerError(f"cannot create topic {name}: {error.args[0].str()}") from None
    return missing
