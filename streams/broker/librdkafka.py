"""librdkafka's mock cluster, reached by ctypes in the library that the confluent-kafka wheel brings."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import confluent_kafka

from mos_online.errors import BrokerError

_PRODUCER = 0
_CONF_OK = 0
_PLACES = ("../confluent_kafka.libs/librdkafka*.so*", ".dylibs/librdkafka*.dylib")  # Linux, macOS wheels


class MockCluster:
    """A Kafka cluster of one broker inside this process, listening on 127.0.0.1. See docs/adr/0006 for its limits."""

    def __init__(self) -> None:
        """Start the broker.

        Raises:
            BrokerError: there is no librdkafka beside confluent-kafka, or it refuses.
        """
        self._library = _load()
        conf = self._library.rd_kafka_conf_new()
        fault = ctypes.create_string_buffer(512)
        # Level 0: the mock broker would tell of every connection that a client closes.
        if self._library.rd_kafka_conf_set(conf, b"log_level", b"0", fault, len(fault)) != _CONF_OK:
            raise BrokerError(f"librdkafka refused log_level: {fault.value.decode()}")
        self._client = self._library.rd_kafka_new(_PRODUCER, conf, fault, len(fault))
        if not self._client:
            raise BrokerError(f"librdkafka did not start: {fault.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            self._library.rd_kafka_destroy(self._client)
            raise BrokerError("librdkafka could not open the mock cluster; is 127.0.0.1 usable on this machine?")
        # A new consumer group waits so long for more members. Ours usually has one.
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 100)

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port."""
        return str(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def create_topics(self, names: Iterable[str], *, partitions: int) -> None:
        """Create topics with ``partitions`` partitions each.

        Raises:
            BrokerError: one cannot be created.
        """
        with self._kept_awake():
            for name in names:
                code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
                if code != 0:
                    raise BrokerError(f"the embedded broker could not create topic {name} (librdkafka error {code})")

    @contextmanager
    def _kept_awake(self) -> Iterator[None]:
        """Connect again and again meanwhile: librdkafka's mock cluster may sleep for a second over what it is told."""
        host, _, port = self.bootstrap.rpartition(":")
        enough = Event()

        def knock() -> None:
            while not enough.wait(0.005):
                with suppress(OSError):
                    socket.create_connection((host, int(port)), timeout=1).close()

        knocking = Thread(target=knock)
        knocking.start()
        try:
            yield
        finally:
            enough.set()
            knocking.join()

    def close(self) -> None:
        """Stop the broker; its topics are lost."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)


def _load() -> Any:
    root = Path(confluent_kafka.__file__).parent
    found = [path for place in _PLACES for path in sorted(root.glob(place))]
    if not found:
        raise BrokerError(
            f"no librdkafka beside {root}: the embedded broker needs the confluent-kafka wheel of Linux or macOS "
            "(pip install --force-reinstall --only-binary :all: confluent-kafka), or set MOS_KAFKA=host:port"
        )
    library: Any = ctypes.CDLL(str(found[0]))
    pointer, text, size, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", integer, [pointer, text, text, text, size]),
        ("rd_kafka_new", pointer, [integer, pointer, text, size]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, integer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, integer]),
        ("rd_kafka_mock_topic_create", integer, [pointer, text, integer, integer]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
