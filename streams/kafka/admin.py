"""Lists, creates and grows our topics on a cluster."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, NewPartitions, NewTopic

from mos_online import contracts
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from publishing.faults import LastFault, broker_error
from streams.kafka.partitions import too_small, unequal

TIMEOUT = 10.0
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
"""The configuration of a topic whose records bear the broker's time, whatever their producers' clocks say (ADR 12)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TopicState:
    """One of our topics on the cluster; ``partitions`` is 0 where it does not exist."""

    name: str
    partitions: int


class CheckedTopics(NamedTuple):
    """Our topics, all of which can be used: the partitions of ``clicks``, and what an operator should mend."""

    partitions: int
    warning: str | None


def topic_states(settings: Settings) -> list[TopicState]:
    """Ask Kafka for the state of each of our topics.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
        BrokerError: it refuses our credentials.
    """
    fault = LastFault()
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2, "error_cb": fault})
    try:
        found = admin.list_topics(timeout=TIMEOUT).topics
    except KafkaException as error:
        raise broker_error(error, "cannot reach Kafka", client=admin.poll, last=fault) from None
    return [
        TopicState(name=name, partitions=len(found[name].partitions) if name in found else 0)
        for name in map(settings.topic, contracts.TOPICS)
    ]


def timestamp_type(admin: AdminClient, topic: str) -> str:
    """Who writes the timestamps of a topic's records: "LogAppendTime" (the broker) or "CreateTime" (their producers).

    Raises:
        BrokerError: the broker does not say. The embedded one never does; its records bear their producers' times.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    asking = f"Kafka does not say who writes the timestamps of {topic}"
    try:
        found = admin.describe_configs([resource], request_timeout=TIMEOUT)[resource].result(TIMEOUT)
    except KafkaException as error:
        raise broker_error(error, asking) from None
    except TimeoutError:
        raise BrokerUnavailableError(f"{asking}: no answer within {TIMEOUT:.0f} s") from None
    return str(found["message.timestamp.type"].value)


def unalterable(settings: Settings, topics: list[str]) -> list[str]:
    """Those of the topics that our credentials may not alter, which growing them needs.

    Raises:
        BrokerError: Kafka does not say.
    """
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})
    asked = admin.describe_topics(TopicCollection(topics), include_authorized_operations=True, request_timeout=TIMEOUT)
    try:
        allowed = {name: found.result(TIMEOUT).authorized_operations for name, found in asked.items()}
    except KafkaException as error:
        raise broker_error(error, "Kafka does not say what we may do") from None
    except TimeoutError:
        raise BrokerUnavailableError(f"Kafka does not say what we may do: no answer within {TIMEOUT:.0f} s") from None
    return [name for name, may in allowed.items() if may is not None and AclOperation.ALTER not in may]


def check_topics(settings: Settings) -> CheckedTopics:
    """Check that every topic is there, and has the partitions that it needs.

    A user has the same partition number in all topics. So a topic whose records follow from those of another needs at
    least as many partitions. One that has fewer is given more; that happens after somebody has grown ``clicks``.

    Raises:
        BrokerUnavailableError: Kafka does not answer, a topic does not exist yet, or one has too few partitions and
            we are not allowed to change that.
        BrokerError: Kafka refuses our credentials.
    """
    states = {state.name: state.partitions for state in topic_states(settings)}
    missing = [name for name, count in states.items() if count == 0]
    if missing:
        raise BrokerUnavailableError(
            f"there is no topic {', '.join(missing)}; create what is missing with `mos topics create`"
        )
    small = too_small(settings, states)
    _grow(settings, states, small)
    return CheckedTopics(states[settings.topic(contracts.CLICKS)], unequal(settings, states | small))


def create_topics(settings: Settings, *, replication: int | None) -> dict[str, int]:
    """Create the topics that do not exist, and grow those that have fewer partitions than ``settings.partitions``.

    Growing ``clicks`` moves users to other partitions. So the topics that follow from it are grown before it.

    Returns:
        The names of the topics that were created or grown -> how many partitions they had before, 0 for none.

    Raises:
        BrokerUnavailableError: Kafka does not answer, or refuses.
        BrokerError: a topic has more partitions than ``settings.partitions``: none can be taken away.
    """
    states = {state.name: state.partitions for state in topic_states(settings)}
    large = {name: count for name, count in states.items() if count > settings.partitions}
    if large:
        found = ", ".join(f"{name} has {count}" for name, count in large.items())
        raise BrokerError(
            f"MOS_PARTITIONS={settings.partitions}, but {found}: Kafka takes no partitions away. Set MOS_PARTITIONS="
            f"{max(large.values())} and run `mos topics create` again; it gives the other topics as many"
        )
    missing = [name for name, count in states.items() if count == 0]
    compacted = set(map(settings.topic, contracts.COMPACTED))
    topics = [
        NewTopic(
            name,
            num_partitions=settings.partitions,
            replication_factor=-1 if replication is None else replication,  # -1: as the cluster is set up
            config={**BROKER_TIME, **({"cleanup.policy": "compact"} if name in compacted else {})},
        )
        for name in missing
    ]
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})  # must live until the futures are done
    if topics:
        for name, done in admin.create_topics(topics, request_timeout=TIMEOUT).items():
            try:
                done.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise broker_error(error, f"cannot create topic {name}") from None
    small = {name: settings.partitions for name, count in states.items() if 0 < count < settings.partitions}
    _grow(settings, states, small)
    return {name: states[name] for name in (*missing, *small)}


def _grow(settings: Settings, states: dict[str, int], wanted: dict[str, int]) -> None:
    """Give topics more partitions, ``clicks`` last of all.

    Raises:
        BrokerUnavailableError: Kafka refuses.
    """
    clicks = settings.topic(contracts.CLICKS)
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})
    for name in sorted(wanted, key=lambda name: name == clicks):
        done = admin.create_partitions([NewPartitions(name, wanted[name])], request_timeout=TIMEOUT)[name]
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.INVALID_PARTITIONS:  # somebody else was faster
                continue
            raise BrokerUnavailableError(
                f"{name} has {states[name]} partitions and needs {wanted[name]}, but we may not change that: "
                f"{error.args[0].str()}. Run `mos topics create` with MOS_PARTITIONS={wanted[name]}, with credentials "
                "that may alter topics. Nothing has to be deleted, and nothing is lost meanwhile"
            ) from None
        log.warning("%s had %d partitions and has %d now", name, states[name], wanted[name])
