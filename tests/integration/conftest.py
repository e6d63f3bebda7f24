"""Apache Kafka for the tests that need a real broker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mos_online.errors import BrokerError
from mos_online.ports import free_port
from streams.broker.apache import ApacheBroker
from streams.broker.java import INSTALL_JAVA, INSTALL_MAVEN, cached_class_path, java

OwnKafka = Callable[..., ApacheBroker]

SOON_BACK = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
"""Else a broker that was killed waits for nine seconds until its controller believes that it is new."""


@pytest.fixture(scope="session")
def _shared_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ApacheBroker]]:
    """Starts the broker of the session when it is asked for the first time."""
    from tests.integration.stream_system import PARTITIONS

    started: list[ApacheBroker] = []

    def shared() -> ApacheBroker:
        if not started:
            properties = {"num.partitions": str(PARTITIONS)}
            broker = ApacheBroker(tmp_path_factory.mktemp("kafka"), port=free_port(), properties=properties)
            broker.start()
            started.append(broker)
        return started[0]

    yield shared
    for broker in started:
        broker.stop()


@pytest.fixture
def need_kafka(need: Callable[..., None]) -> None:
    """Skip, and say so loudly at the end, where Apache Kafka cannot be run."""
    try:
        java()
        met = cached_class_path() is not None or shutil.which("mvn") is not None
    except BrokerError:
        met = False
    need("Apache Kafka", met=met, install=f"Java 17 by {INSTALL_JAVA}, and Maven by {INSTALL_MAVEN}")


@pytest.fixture
def kafka(need_kafka: None, _shared_kafka: Callable[[], ApacheBroker]) -> ApacheBroker:
    """A running Apache Kafka that all tests share: use a MOS_NAMESPACE of your own, and leave it running."""
    return _shared_kafka()


@pytest.fixture
def own_kafka(need_kafka: None, tmp_path: Path) -> Iterator[OwnKafka]:
    """``own_kafka(port=..., properties=..., client=...)``: a running Apache Kafka to stop, kill and restart."""
    started: list[ApacheBroker] = []

    def own(*, port: int | None = None, properties: Mapping[str, str] | None = None, **options: Any) -> ApacheBroker:
        folder = tmp_path / f"kafka-{len(started)}"
        broker = ApacheBroker(
            folder, port=port or free_port(), properties={**SOON_BACK, **(properties or {})}, **options
        )
        started.append(broker)
        broker.start()
        return broker

    yield own
    for broker in started:
        broker.stop()
