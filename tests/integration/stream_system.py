"""A broker and workers of one test, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
from confluent_kafka import Producer

from mos_online.kafka_config import producer_config
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent

PARTITIONS = 3


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
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("MOS_")} | self.variables
        self._home = home
        self._sending: Producer | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def mos(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mos_cli", *arguments], env=self._environment, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def worker(self, only: str, *options: str, port: int | None = None) -> subprocess.Popen[bytes]:
        port = port or self.settings.worker_port
        process = self.mos("worker", "--only", only, "--port", str(port), *options)
        self.until(lambda: self._ready(process, port), "the worker is ready", 120)
        return process

    def _ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        assert process.poll() is None, self.log("worker")[-3000:]
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def log(self, command: str) -> str:
        return (self._home / f"{command}.log").read_text()

    def until(self, done: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.1)

    def _producer(self) -> Producer:
        self._sending = self._sending or Producer(producer_config(self.settings))
        return self._sending

    def send(self, topic: str, records: list[tuple[str, bytes]], timestamp: int = 0) -> None:
        producer = self._producer()
        for key, value in records:
            producer.produce(self.settings.topic(topic), value, key.encode(), timestamp=timestamp)
        assert producer.flush(30) == 0

    def send_to_all(self, topic: str, value: bytes, timestamp: int = 0) -> None:
        producer = self._producer()
        for partition in range(PARTITIONS):
            producer.produce(self.settings.topic(topic), value, partition=partition, timestamp=timestamp)
        assert producer.flush(30) == 0

    def records(self, topic: str) -> list[Record]:
        reader, name = LogReader(self.settings), self.settings.topic(topic)
        return [
            of_confluent(message)
            for partition in range(PARTITIONS)
            for message in reader.read(name, partition, *reader.bounds(name, partition))
        ]

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.settings.worker_port}/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def close(self) -> None:
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
            assert system.mos("topics", "create").wait(60) == 0, system.log("topics")
        else:
            system.mos("kafka")
            system.until(system.settings.broker_file.exists, "the broker is ready")
        yield system
    finally:
        system.close()


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(30)
