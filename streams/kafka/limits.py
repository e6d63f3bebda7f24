"""How large the records of each topic may be."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

from mos_online import contracts
from mos_online.contracts import MAX_MESSAGE_BYTES
from mos_online.errors import BrokerError
from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings

TIMEOUT = 10.0
OVERHEAD = 1_000
"""Bytes of a batch beside the key and the value of its only record: Kafka's own fields, and our headers."""

SMALLEST = 10_000
"""Bytes that every topic must take: a dead letter that is cut, and then some."""

log = logging.getLogger(__name__)


def largest_records(settings: Settings) -> Mapping[str, int]:
    """The bytes that key and value of a record may have, for each topic that the worker writes to.

    Empty where the broker does not say, as the embedded one: then the default of Kafka holds. Blocks.

    Raises:
        BrokerError: a topic takes too little to be of use.
    """
    if settings.kafka == "embedded":  # which never answers
        return {}
    names = [settings.topic(name) for name in contracts.TOPICS if name != contracts.CLICKS]
    admin = AdminClient({**librdkafka_config(settings), "log_level": 2})
    asked = admin.describe_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names], request_timeout=TIMEOUT
    )
    try:
        allowed = {each.name: int(found.result(TIMEOUT)["max.message.bytes"].value) for each, found in asked.items()}
    except (KafkaException, TimeoutError) as error:
        log.warning("Kafka does not say how large messages may be (%r); 1 MB is taken for granted", error)
        return {}
    for name, size in allowed.items():
        if size < SMALLEST:
            raise BrokerError(
                f"{name} has max.message.bytes={size}; at least {SMALLEST} are needed, and 1048588, Kafka's default, "
                "are better: raise it with kafka-configs.sh --alter"
            )
    return {name: min(MAX_MESSAGE_BYTES, size - OVERHEAD) for name, size in allowed.items()}
