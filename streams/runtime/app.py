"""The Faust application, made from our settings."""

from __future__ import annotations

import ssl
from typing import Any

import faust

from mos_online.kafka_config import librdkafka_config
from mos_online.settings import Settings
from streams.processors.base import WorkerContext
from streams.runtime.transport import Fetches, FetchTransport

BUFFERED = 60
"""Fetches that wait for an agent before its partitions pause; each is up to ``FETCH_BYTES``."""

FETCH_BYTES = 256 * 1024

SESSION_TIMEOUT = 10.0
"""Seconds after which a group gives the partitions of a member that it does not hear of to others.

So long a worker that was killed holds its partitions. Faust's default is a minute.
"""

METADATA_MS = 10_000
"""So soon a group takes up partitions that its topic has been given; aiokafka's default is five minutes."""


def faust_app(settings: Settings, name: str, *, partitions: int, context: WorkerContext) -> Any:
    """A Faust application without tables, leader election, topic creation or web server.

    Args:
        settings: where Kafka is, and the names.
        name: of the processor, for its consumer group.
        partitions: of the topic that has most.
        context: told when records are lost.

    Raises:
        BrokerError: the embedded broker has not been started.
        SettingsError: SASL without credentials, or a certificate file that does not exist.
    """
    kafka = librdkafka_config(settings)  # checks the settings, too
    datadir = settings.home / "faust"
    datadir.mkdir(parents=True, exist_ok=True)
    brokers = ";".join(f"kafka://{address.strip()}" for address in str(kafka["bootstrap.servers"]).split(","))
    app = faust.App(
        settings.group(name),
        autodiscover=False,
        broker=brokers,
        broker_session_timeout=SESSION_TIMEOUT,
        broker_heartbeat_interval=2.0,
        broker_rebalance_timeout=20.0,
        broker_credentials=_credentials(settings),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=METADATA_MS,
        ConsumerScheduler=Fetches,
        datadir=str(datadir),
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        # Faust pauses a partition whose fetch finds the buffer 80 % full. Each of them may add one more: there must
        # be room, because on a full buffer Faust waits, with all other topics.
        stream_buffer_maxsize=5 * max(BUFFERED // 4, partitions),
        # Else it would wait, in a rebalance and at the end, until the agents are done with what they have: for ever,
        # if one of them waits for a service that is down.
        stream_wait_empty=False,
    )
    app.transport = FetchTransport(app.conf.broker_consumer, app, loop=app.loop, context=context)
    return app


def raw_topics(app: Any, settings: Settings, *names: str) -> Any:
    """One channel of topics of ``contracts.TOPICS`` whose keys and values stay bytes."""
    topics = map(settings.topic, names)
    return app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _credentials(settings: Settings) -> Any:
    protocol = settings.kafka_security_protocol
    context = _tls(settings) if "SSL" in protocol else None
    if "SASL" in protocol:
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.kafka_ssl_ca)
    if settings.kafka_ssl_certificate is not None:
        context.load_cert_chain(settings.kafka_ssl_certificate, settings.kafka_ssl_key)
    return context
