"""A broker and workers of one test, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
from confluent_kafka import Producer

from mos_online import contracts
from mos_online.health import Health
from mos_online.kafka_config import producer_config
from mos_online.processes import StalledError, wait_until, work_of
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent

PARTITIONS = 3
FLUSH = 600
"""Seconds for the delivery of records: a bound for what is broken, not for what is slow."""


class StreamSystem:
    def __init__(self, home: Path, port: int, variables: dict[str, str]) -> None:
        self.variables = {
            "MOS_HOME": str(home),
            "MOS_WORKER_PORT": str(port),
            "MOS_PARTITIONS": str(PARTITIONS),
            **variables,
        }
        names = {name.removeprefix("MOS_").lower(): value for name, value in self.variables.items()}
        self.settings = Settings.load(**names)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MOS_")} | self.variables
        self.partitions = PARTITIONS
        self._home = home
        self._sending: Producer | None = None
        # One for all polls: `httpx.get` makes a client each time, which costs 20 ms of processor time.
        self._client = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ports: list[int] = []

    def mos(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._home.mkdir(parents=True, exist_ok=True)
        with self._log(arguments[0]).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mos_cli", *arguments], env=self.environment, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def worker(self, only: str, *options: str, port: int | None = None) -> subprocess.Popen[bytes]:
        port = port or self.settings.worker_port
        process = self.mos("worker", "--only", only, "--port", str(port), *options)
        self.until(lambda: self._ready(process, port), "the worker is ready")
        self._ports.append(port)
        return process

    def _ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        assert process.poll() is None, self.log("worker")[-3000:]
        try:
            return self.get("/readyz", port).status_code == 200
        except httpx.HTTPError:
            return False

    def _log(self, command: str) -> Path:
        return self._home / f"{command}.log"

    def log(self, command: str) -> str:
        return self._log(command).read_text()

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until ``done``, for as long as a process works, writes to its log, or a worker's metrics change."""
        try:
            wait_until(done, progress=self._progress)
        except StalledError as error:
            raise AssertionError(f"waited in vain until {what}: {error}\n{self._state()}") from None

    def _progress(self) -> tuple[object, ...]:
        logs = [self._log(name) for name in ("kafka", "topics", "replay", "worker")]
        metrics = {port: self._metrics(port) for port in self._ports}
        return (*(work_of(process.pid, *logs) for process in self._processes), *metrics.values())

    def _state(self) -> str:
        """What one needs to know of a system that does nothing any more."""
        told = ("mos_consumer_lag", "mos_sessionizer_watermark", "mos_sessionizer_open", "mos_consumer_retries")
        state = [f"{process.args!r}: status {process.poll()}" for process in self._processes]
        state += [f"port {port}: {self._health(port)}" for port in self._ports]
        state += [
            f"port {port}: {line}" for port in self._ports for line in self._metrics(port) if line.startswith(told)
        ]
        state += [f"--- {name}\n{self.log(name)[-4000:]}" for name in ("worker", "kafka") if self._log(name).exists()]
        return "\n".join(state)

    def _health(self, port: int) -> str:
        try:
            return self.get("/healthz", port).text
        except httpx.HTTPError as error:
            return f"/healthz: {error!r}"

    def get(self, path: str, port: int | None = None, *, timeout: float = 5) -> httpx.Response:
        """What the worker at ``port``, or at that of the settings, answers."""
        return self._client.get(f"http://127.0.0.1:{port or self.settings.worker_port}{path}", timeout=timeout)

    def _metrics(self, port: int) -> tuple[str, ...]:
        try:
            text = self.get("/metrics", port).text
        except httpx.HTTPError:
            return ()
        return tuple(line for line in text.splitlines() if line.startswith("mos_"))

    def ended(self, process: subprocess.Popen[bytes]) -> int:
        """The status with which a process ends by itself."""
        self.until(lambda: process.poll() is not None, f"{process.args!r} ends")
        assert process.returncode is not None
        return process.returncode

    def _producer(self) -> Producer:
        self._sending = self._sending or Producer(producer_config(self.settings))
        return self._sending

    def send(self, topic: str, records: list[tuple[str, bytes]], timestamp: int = 0) -> None:
        producer = self._producer()
        for key, value in records:
            producer.produce(self.settings.topic(topic), value, key.encode(), timestamp=timestamp)
        assert producer.flush(FLUSH) == 0

    def send_to_all(self, topic: str, value: bytes, timestamp: int = 0) -> None:
        producer = self._producer()
        for partition in range(PARTITIONS):
            producer.produce(self.settings.topic(topic), value, partition=partition, timestamp=timestamp)
        assert producer.flush(FLUSH) == 0

    def records(self, topic: str) -> list[Record]:
        reader, name = LogReader(self.settings), self.settings.topic(topic)
        return [
            of_confluent(message)
            for partition in range(PARTITIONS if topic == contracts.DEAD_LETTERS else self.partitions)
            for message in reader.read(name, partition, *reader.bounds(name, partition))
        ]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all samples with these labels."""
        text = self.get("/metrics", timeout=60).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(name) and all(one in line for one in wanted)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def healthz(self) -> Health:
        return msgspec.json.decode(self.get("/healthz").content, type=Health)

    def close(self) -> None:
        self._client.close()
        for process in reversed(self._processes):
            process.kill()
            process.wait()


@contextmanager
def stream_system(home: Path, port: int, **variables: str) -> Iterator[StreamSystem]:
    """With the embedded broker; or with the cluster that MOS_KAFKA names, in a namespace of its own."""
    variables = {"MOS_NAMESPACE": f"{uuid4().hex}-", **variables}
    system = StreamSystem(home, port, variables)
    try:
        if "MOS_KAFKA" in variables:
            assert system.ended(system.mos("topics", "create")) == 0, system.log("topics")
        else:
            broker = system.mos("kafka")

            def ready() -> bool:
                assert broker.poll() is None, system.log("kafka")
                return system.settings.broker_file.exists()

            system.until(ready, "the broker is ready")
        yield system
    finally:
        system.close()


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """Send a signal and wait, while the process works, until it has ended; its status."""
    process.send_signal(number)
    wait_until(lambda: process.poll() is not None, progress=lambda: work_of(process.pid))
    assert process.returncode is not None
    return process.returncode
