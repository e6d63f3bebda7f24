"""Apache Kafka itself, one node, as a child process; its data outlives it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from mos_online.errors import BrokerError
from mos_online.ports import HOST, bind_fault
from mos_online.processes import GuardedChild, StalledError, deferred_signals, locked, wait_until, work_of
from streams.broker.apache_config import format_data, write_properties
from streams.broker.java import class_path, java

STOP_TIMEOUT = 30.0
JVM = ("-Xmx512m", "-Djava.awt.headless=true", "-Dlog4j2.level=WARN")
MAIN = "kafka.Kafka"


class ApacheBroker:
    """A broker whose folder holds its data, ``server.properties``, ``kafka.log`` (what it prints) and ``kafka.lock``.

    It is stopped when this process ends, however that ends. Not for use from several threads.

    Attributes:
        folder: all that it writes.
        port: where it listens, on 127.0.0.1 only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 9092,
        properties: Mapping[str, str] | None = None,
        client: Mapping[str, str | int] | None = None,
    ) -> None:
        """Prepare a broker; ``start`` starts it.

        Args:
            folder: made if it does not exist.
            port: kept over restarts.
            properties: of ``server.properties``, over ours.
            client: librdkafka's settings (security.protocol, ...) with which ``start`` asks whether it is ready.
        """
        self.folder = folder.absolute()
        self.port = port
        self._properties = dict(properties or {})
        self._client = dict(client or {})
        self._child: GuardedChild | None = None
        self._held = ExitStack()

    @property
    def bootstrap(self) -> str:
        """The address of the broker, host:port, as MOS_KAFKA takes it."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id; it must run."""
        return self._running().pid

    @property
    def log(self) -> Path:
        """The warnings and errors that Kafka printed, of all its runs."""
        return self.folder / "kafka.log"

    def start(self) -> None:
        """Start it and wait until a client can use it; does nothing where it runs.

        Raises:
            BrokerError: Java or Maven is missing, the folder is used by another broker, the port is taken, or Kafka
                stopped or made no progress: then the end of its log is in the message.
        """
        if self._child is not None and self._child.status() is None:
            return
        self.kill()
        command = [str(java()), *JVM, "-cp", class_path()]
        try:
            # The broker holds the lock too: until it has ended, nobody else starts on its folder.
            lock = self._held.enter_context(
                locked(
                    self.folder / "kafka.lock",
                    what="a Kafka broker",
                    instead="choose another folder with `mos kafka --real --dir`",
                    error=BrokerError,
                )
            )
            if bind_fault(HOST, self.port):
                raise BrokerError(
                    f"port {self.port} of {HOST} is taken (`lsof -i :{self.port}` names by whom): stop that, or choose "
                    "another port with `mos kafka --real --port`"
                )
            write_properties(self._config, data=self._data.name, port=self.port, changes=self._properties)
            if not (self._data / "meta.properties").exists() and not format_data(command, self._config, self.log):
                raise BrokerError(f"Kafka could not make its data folder {self._data}. {self._end_of_log()}")
            with deferred_signals():
                self._child = GuardedChild(
                    [*command, MAIN, self._config.name],
                    folder=self.folder,
                    log=self.log,
                    patience=int(STOP_TIMEOUT),
                    inherited=[lock],
                )
            self._until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Let Kafka write all to disk and end; SIGKILL after ``STOP_TIMEOUT``. Does nothing where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would: what it had acknowledged is still in the system's cache and not lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start, with the same data and port."""
        self.stop()
        self.start()

    def wait(self) -> None:
        """Block while Kafka runs.

        Raises:
            BrokerError: it ended by itself.
        """
        child = self._running()
        while child.status() is None:
            time.sleep(0.2)  # Popen.wait() would sleep through a Ctrl-C: Polars has system calls go on after one
        raise BrokerError(f"Kafka ended with status {child.status()}. {self._end_of_log()}")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    def _running(self) -> GuardedChild:
        if self._child is None:
            raise BrokerError("the broker does not run: start it first")
        return self._child

    def _until_ready(self) -> None:
        child = self._running()
        quiet = {"log_level": 0, "reconnect.backoff.max.ms": 200}
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **quiet, **self._client})

        def ready() -> bool:
            if child.status() is not None:
                raise BrokerError(
                    f"Kafka stopped at its start, with status {child.status()}. If its data is damaged, move "
                    f"{self.folder} away. {self._end_of_log()}"
                )
            with suppress(KafkaException):
                return _leads_all(admin)
            return False

        try:
            wait_until(ready, progress=lambda: work_of(child.pid, self.log), pause=0.05)
        except StalledError as error:
            raise BrokerError(f"Kafka did not become ready: {error}. {self._end_of_log()}") from None

    def _end(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.end(number, timeout=STOP_TIMEOUT)
            self._child = None
        self._held.close()

    def _end_of_log(self, lines: int = 15) -> str:
        """Without Java's stack frames, among which the reason would be lost."""
        text = self.log.read_text(errors="replace").splitlines()
        said = [line for line in text if not line.startswith(("\tat ", "\t... "))][-lines:]
        return f"The end of {self.log}:\n" + "\n".join(f"  {line}" for line in said)


@contextmanager
def apache_broker(
    folder: Path, *, port: int = 9092, properties: Mapping[str, str] | None = None
) -> Iterator[ApacheBroker]:
    """A running ``ApacheBroker`` for the length of a ``with`` block.

    Raises:
        BrokerError: as ``ApacheBroker.start``.
    """
    broker = ApacheBroker(folder, port=port, properties=properties)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _leads_all(admin: AdminClient) -> bool:
    """Whether every partition answers: after a crash the broker first repeats what was so before it.

    Raises:
        KafkaException: not yet.
    """
    found = admin.list_topics(timeout=0.3)
    latest = {TopicPartition(name, n): OffsetSpec.latest() for name, t in found.topics.items() for n in t.partitions}
    if latest:
        for answer in admin.list_offsets(latest, request_timeout=2).values():
            answer.result()
    return bool(found.brokers)
