"""One run of one system of ``sessions_on_kafka.py``: fill its topics, start it, watch it, judge what it wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka_click_log import FLUSH, ClickLog, Key
from kafka_systems import PARTITIONS, CannotRunError, Run, System, environment

from mos_online.kafka_config import producer_config
from mos_online.settings import Settings
from streams.kafka.log_reader import LogReader

START_LIMIT = 120.0
"""Seconds until the first output record."""
QUIET = 15.0
"""Seconds without a new output record after which a system has said all that it ever will."""


class Output(msgspec.Struct, frozen=True):
    """What every system's session records have in common."""

    user_id: str
    events: list[OutputEvent]


class OutputEvent(msgspec.Struct, frozen=True):
    """One event of it."""

    event_id: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run gave; seconds, MiB."""

    rate: float
    total: float
    cpu: float
    rss: float
    right: int
    wrong: int
    missing: int
    repeated: int
    cut_off: bool


def compete(
    system: System, log: ClickLog, kafka: str, *, envelopes: bool, limit: float, keep_log: Path | None
) -> Result:
    """Fill topics, start, wait until it has said all, stop, and judge what it wrote.

    Raises:
        CannotRunError: it could not be made or started, or stopped by itself.
    """
    with tempfile.TemporaryDirectory(prefix="mos-bench-") as folder:
        settings = Settings.load(kafka=kafka, namespace=f"bench-{uuid4().hex[:8]}-", partitions=PARTITIONS)
        run = Run(settings=settings, log=log, envelopes=envelopes, folder=Path(folder))
        with topics(run):
            command = system.command(run)
            output = Path(folder) / "output.txt"
            with output.open("wb") as text:
                began = time.time()
                process = subprocess.Popen(
                    command, env=environment(run), cwd=folder, stdout=text, stderr=text, start_new_session=True
                )
            try:
                cpu, rss, cut_off = watch(process, run, system, limit)
            except CannotRunError as error:
                raise CannotRunError(f"{error}: {fault(output.read_text(errors='replace'))}") from None
            finally:
                end(process)
                if keep_log is not None:
                    shutil.copy(output, keep_log)
            return judge(run, system, began=began, cpu=cpu, rss=rss, cut_off=cut_off)


@contextlib.contextmanager
def topics(run: Run) -> Iterator[None]:
    """Make the system's topics and fill the first; in the end delete whatever has its name in it."""
    admin = AdminClient({"bootstrap.servers": run.settings.kafka, "log_level": 2})
    new = [
        NewTopic(run.source, PARTITIONS, 1),
        NewTopic(run.target, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"}),
    ]
    for done in admin.create_topics(new).values():
        done.result(30)
    try:
        producer = Producer(
            {**producer_config(run.settings), "queue.buffering.max.messages": 10_000_000, "log_level": 2}
        )
        for user, value, partition in run.log.messages:
            producer.produce(run.source, value, user, partition=partition)
        if producer.flush(120):
            raise RuntimeError("Kafka did not take the log")
        yield
    finally:
        names = [name for name in admin.list_topics(timeout=30).topics if run.settings.namespace in name]
        for done in admin.delete_topics(names).values():
            done.result(30)


def watch(process: subprocess.Popen[bytes], run: Run, system: System, limit: float) -> tuple[float, float, bool]:
    """Wait until no more output is to come.

    Returns:
        CPU seconds, the sum of the peaks of resident memory (MiB), whether it was cut off.
    """
    reader = LogReader(run.settings)
    expected = 2 if system.counts_only else len(run.log.sessions)
    began = changed = time.monotonic()
    seen, cpu, peaks = 0, 0.0, Counter[int]()
    while True:
        time.sleep(0.25)
        now = time.monotonic()
        cpu = max(cpu, usage(process.pid, peaks))
        count = sum(reader.bounds(run.target, partition)[1] for partition in range(PARTITIONS))
        if count != seen:
            seen, changed = count, now
        if count >= expected and now - changed > 1.5:
            break
        if process.poll() is not None:
            raise CannotRunError(f"stopped by itself with status {process.returncode}")
        if not seen and now - began > START_LIMIT:
            raise CannotRunError(f"published nothing within {START_LIMIT:.0f} s")
        if now - began > limit:
            if system.counts_only:
                raise CannotRunError(f"not done after {limit:.0f} s")
            break
        if seen and not system.counts_only and now - changed > QUIET:
            break
    reader.close()
    return cpu, sum(peaks.values()), now - began > limit


def usage(pid: int, peaks: Counter[int]) -> float:
    """CPU seconds so far of a process and its children; ``peaks`` gets the peak memory of each (MiB)."""
    seconds = 0.0
    with contextlib.suppress(psutil.Error, OSError):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            seconds += times.user + times.system
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks[process.pid] = max(peaks[process.pid], int(line.split()[1]) // 1024)
    return seconds


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and its children, gently first."""
    for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def fault(text: str) -> str:
    """The line of an output that says most about a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Caused by" in line or "Error" in line or "Exception" in line]
    return (telling or lines or [""])[-1][:200]


def judge(run: Run, system: System, *, began: float, cpu: float, rss: float, cut_off: bool) -> Result:
    """Read the output topic and hold it against the oracle.

    Who was cut off has done as much of the log as it has right sessions of all.
    """
    reader = LogReader(run.settings)
    decode = msgspec.json.Decoder(Output).decode
    first, last = float("inf"), 0.0
    found: Counter[Key] = Counter()
    for partition in range(PARTITIONS):
        for message in reader.read(run.target, partition, *reader.bounds(run.target, partition)):
            at = message.timestamp()[1] / 1000
            first = min(first, at)
            if system.counts_only:
                last = max(last, at)
                continue
            session = decode(message.value())
            if session.events[0].event_id.startswith(FLUSH):
                continue
            key = (session.user_id, frozenset(event.event_id for event in session.events))
            found[key] += 1
            if key in run.log.sessions:
                last = max(last, at)
    reader.close()
    if last <= first:
        raise CannotRunError(f"published no right session ({sum(found.values())} records)")
    right = len(found.keys() & run.log.sessions)
    return Result(
        rate=run.log.clicks * (right / len(run.log.sessions) if cut_off else 1) / (last - first),
        total=last - began,
        cpu=cpu,
        rss=rss,
        right=right,
        wrong=len(found.keys() - run.log.sessions),
        missing=len(run.log.sessions) - right,
        repeated=sum(found.values()) - len(found),
        cut_off=cut_off,
    )
