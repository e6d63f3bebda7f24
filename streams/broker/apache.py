"""Apache Kafka itself, one node, as a child process; its data outlives it."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from mos_online.errors import BrokerError
from mos_online.ports import HOST, free_port
from streams.broker.java import class_path, java

START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
JVM = ("-Xmx512m", "-Djava.awt.headless=true", "-Dlog4j2.level=WARN")
MAIN = "kafka.Kafka"
DEFAULTS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
}


class ApacheBroker:
    """A broker whose folder holds its data, ``server.properties``, ``kafka.log`` (what it prints) and ``kafka.pid``.

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
        """See the class.

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
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port, for MOS_KAFKA."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id; it must run."""
        return self._running().pid

    @property
    def log(self) -> Path:
        """What Kafka printed in all its lives: warnings and errors."""
        return self.folder / "kafka.log"

    def start(self) -> None:
        """Start it and wait until a client can use it; does nothing where it runs.

        Raises:
            BrokerError: Java or Maven is missing, the folder is used by another broker, the port is taken, or Kafka
                stopped or was not ready in ``START_TIMEOUT``: then the end of its log is in the message.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._release()
        command = [str(java()), *JVM, "-cp", class_path()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_a_second()
        if not _is_free(self.port):
            raise BrokerError(
                f"port {self.port} of {HOST} is taken (`lsof -i :{self.port}` names by whom): stop that, or choose "
                "another port with `mos kafka --real --port`"
            )
        self._write_properties()
        if not (self._data / "meta.properties").exists():
            self._format(command)
        try:
            self._launch([*command, MAIN, self._config.name])
            self._until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM: Kafka writes all to disk and ends; SIGKILL after ``STOP_TIMEOUT``. Nothing to do where it is not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would: what it had acknowledged is still in the system's cache and not lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start, with the same data and port."""
        self.stop()
        self.start()

    def wait(self) -> None:
        """Sleep while Kafka runs.

        Raises:
            BrokerError: it ended by itself.
        """
        process = self._running()
        while process.poll() is None:
            time.sleep(0.2)  # Popen.wait() would sleep through a Ctrl-C: Polars has system calls go on after one
        raise BrokerError(f"Kafka ended with status {process.returncode}. {self._end_of_log()}")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "kafka.pid"

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise BrokerError("the broker does not run: start it first")
        return self._process

    def _refuse_a_second(self) -> None:
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return
        if MAIN in _command_of(pid).split():
            raise BrokerError(
                f"a Kafka broker (process {pid}) already runs on {self.folder}: use it, stop it with `kill {pid}`, or "
                "choose another folder with `mos kafka --real --dir`"
            )

    def _write_properties(self) -> None:
        controller = free_port()
        properties = {
            **DEFAULTS,
            "log.dirs": self._data.name,  # Kafka takes a comma in it for two folders
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            **self._properties,
        }
        if "CONTROLLER://" not in properties["listeners"]:  # the caller's: it need not know of our controller
            properties["listeners"] += f",CONTROLLER://{HOST}:{controller}"
        lines = "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in properties.items())
        self._config.touch(mode=0o600)  # it may hold passwords
        self._config.write_bytes(lines.encode("latin-1", "backslashreplace"))

    def _format(self, command: list[str]) -> None:
        """Make an empty data folder ready, under a cluster id of its own."""
        cluster = base64.urlsafe_b64encode(b"m" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # must not begin with -
        tool = [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._config.name, "-g"]
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own command line
                tool, check=False, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if done.returncode != 0:
            raise BrokerError(f"Kafka could not make its data folder {self._data}. {self._end_of_log()}")

    def _launch(self, command: list[str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is for us: we stop it
            )
        pid = str(self._process.pid)
        self._pid_file.write_text(pid)
        # Its standard input ends when we do, even by SIGKILL: nobody else has the other end.
        self._guard = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", 'read _; kill "$0"', pid],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _until_ready(self) -> None:
        process = self._running()
        quiet = {"log_level": 0, "reconnect.backoff.max.ms": 200}
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **quiet, **self._client})
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BrokerError(
                    f"Kafka stopped at its start, with status {process.returncode}. If its data is damaged, move "
                    f"{self.folder} away. {self._end_of_log()}"
                )
            with suppress(KafkaException):
                if _leads_all(admin):
                    return
            time.sleep(0.05)
        raise BrokerError(f"Kafka was not ready after {START_TIMEOUT:.0f} s. {self._end_of_log()}")

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.send_signal(number)
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
            self._process = None
            self._release()

    def _release(self) -> None:
        """Forget a broker that has ended."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
            self._pid_file.unlink(missing_ok=True)

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


def _command_of(pid: int) -> str:
    done = subprocess.run(  # noqa: S603
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    return done.stdout.decode(errors="replace")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
