"""What both brokers of ``mos kafka`` promise, the embedded one and Apache Kafka. Each test runs for both."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import psutil
import pytest

from mos_online import contracts
from mos_online.processes import held_locks, living
from streams.kafka.admin import check_topics, topic_states
from tests.integration.stream_system import PARTITIONS, StreamSystem, stop

pytestmark = pytest.mark.slow


class Broker:
    """``mos kafka`` in a MOS_HOME of its own.

    Attributes:
        system: its clients.
    """

    def __init__(self, home: Path, free_port: Callable[[], int], *, real: bool) -> None:
        port = free_port()
        self._options = ("--real", "--port", str(port)) if real else ()
        self.system = StreamSystem(home, free_port(), {"MOS_KAFKA": f"127.0.0.1:{port}"} if real else {})
        self._lock = home / ("kafka/kafka.lock" if real else "kafka.lock")
        self._file = self.system.settings.broker_file
        self._started = 0

    def command(self) -> subprocess.Popen[bytes]:
        return self.system.mos("kafka", *self._options)

    def start(self) -> tuple[subprocess.Popen[bytes], str]:
        """Start it; gives its address, once it says that it is ready."""
        command = self.command()
        self._started += 1

        def ready() -> bool:
            assert command.poll() is None, self.system.log("kafka")
            return len(self._addresses()) == self._started

        self.system.until(ready, "the broker is ready")
        return command, self._addresses()[-1]

    def in_use(self) -> bool:
        """Whether it has begun to start, or runs."""
        return self._lock in held_locks(self._lock.parent)

    def left(self) -> bool:
        """Whether there is a trace of it that would hold up the next one, or lead clients astray."""
        return self.in_use() or self._file.exists()

    def _addresses(self) -> list[str]:
        return re.findall(r"ready: (127\.0\.0\.1:\d+), .*\n", self.system.log("kafka"))

    def children(self, command: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Those that must be gone with it, itself included."""
        process = psutil.Process(command.pid)
        return [process, *process.children(recursive=True)]

    def is_gone(self, address: str, processes: list[psutil.Process]) -> bool:
        return not listens(address) and not living(processes)


def listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(params=["embedded", "apache"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Broker]:
    if request.param == "apache":
        request.getfixturevalue("need_kafka")
    broker = Broker(tmp_path / "mos", free_port, real=request.param == "apache")
    yield broker
    broker.system.close()


def test_it_says_its_address_has_all_topics_and_keeps_what_is_sent(broker: Broker) -> None:
    system = broker.system
    command, address = broker.start()
    assert listens(address)
    assert check_topics(system.settings) == (PARTITIONS, None)
    assert all(state.partitions == PARTITIONS for state in topic_states(system.settings))
    system.send(contracts.CLICKS, [(f"u{n}", b"%d" % n) for n in range(300)])
    found = system.records(contracts.CLICKS)
    assert sorted(int(record.value or b"") for record in found) == list(range(300))
    assert {record.partition for record in found} == set(range(PARTITIONS))

    second = broker.command()
    assert system.ended(second) == 2
    assert "already runs" in system.log("kafka")
    assert broker.in_use()
    system.send(contracts.CLICKS, [("u", b"300")])  # the first one is as well as before

    processes = broker.children(command)
    assert stop(command, SIGTERM) == 0
    assert broker.is_gone(address, processes)
    assert not broker.left()


def test_it_starts_again_after_a_ctrl_c_and_after_a_kill(broker: Broker) -> None:
    command, address = broker.start()
    processes = broker.children(command)
    assert stop(command, SIGINT) == 130
    assert broker.is_gone(address, processes)
    assert not broker.left()

    command, address = broker.start()
    processes = broker.children(command)
    stop(command, SIGKILL)
    broker.system.until(lambda: broker.is_gone(address, processes), "all its processes have followed")

    command, address = broker.start()
    broker.system.send(contracts.CLICKS, [("u", b"after a kill")])
    assert b"after a kill" in [record.value for record in broker.system.records(contracts.CLICKS)]
    assert stop(command) == 0


def test_a_ctrl_c_while_it_starts_leaves_nothing(broker: Broker) -> None:
    command = broker.command()
    broker.system.until(broker.in_use, "it has begun to start")
    processes = broker.children(command)
    assert stop(command, SIGINT) == 130
    broker.system.until(lambda: not living(processes), "all its processes have ended")
    assert not broker.left()
