"""Reads a part of the topic ``clicks``, and gives it to sessionizers as a worker would. Commits nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from mos_online.contracts import CLICKS, Click, LateEvent, decode_clicks
from mos_online.errors import BrokerError, ContractError
from mos_online.sessions import SessionConfig, Sessionizer
from mos_online.sessions.rejection import Output, Rejected
from mos_online.settings import Settings
from simulator.dataset import EVENT_COLUMNS, ITEM_COLUMNS, Dataset
from simulator.datasets.report import ReadReport, Refusal, cut
from simulator.validating.order import Order
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent


@dataclass(kw_only=True)
class Found:
    """What was read of the topic.

    Attributes:
        order: of all partitions together; ``late`` is what sessionizers have found late.
        report: records and clicks that become dead letters are refused there.
        records: how many were read.
        unkeyed: clicks whose record does not have the user as its key.
        repeats: clicks that repeat one whose session is open.
        by_broker: records whose time the broker has written.
        delays: from the event to its arrival (ms), of records with the broker's time.
        partitions: user -> partitions with a click of them, as bits.
        columns: of the events that are taken.
    """

    order: Order
    report: ReadReport = field(default_factory=ReadReport)
    records: int = 0
    unkeyed: int = 0
    repeats: int = 0
    by_broker: int = 0
    delays: list[int] = field(default_factory=list)
    partitions: dict[str, int] = field(default_factory=dict)
    columns: dict[str, list[str | int | None]] = field(default_factory=lambda: {name: [] for name in EVENT_COLUMNS})

    @property
    def log(self) -> Dataset:
        """The events that are taken."""
        return Dataset(
            name=CLICKS,
            events=pl.DataFrame(self.columns, schema=EVENT_COLUMNS).sort("timestamp", "event_id"),
            items=pl.DataFrame(schema=ITEM_COLUMNS),
        )

    @property
    def split_users(self) -> int:
        """Users with clicks in several partitions."""
        return sum(bits.bit_count() > 1 for bits in self.partitions.values())


def read_clicks(settings: Settings, *, last: int, seconds: float | None) -> Found:
    """Read the newest records of the topic, or those that come now.

    Args:
        settings: of Kafka and of the sessions.
        last: so many of the records that are there, of all partitions together.
        seconds: wait so long, and read what has come since; None: do not wait.

    Raises:
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    topic, reader = settings.topic(CLICKS), LogReader(settings)
    found = Found(order=Order(lateness=settings.sessions.lateness))
    try:
        count = reader.partitions(topic)
        if not count:
            raise BrokerError(f"topic {topic} does not exist; create it with `mos topics create`")
        bounds = {number: reader.bounds(topic, number) for number in range(count)}
        if seconds is not None:
            time.sleep(seconds)
            spans = {number: (high, reader.bounds(topic, number)[1]) for number, (_, high) in bounds.items()}
        else:
            spans = newest(bounds, last)
        for number, (start, stop) in spans.items():
            records = (of_confluent(message) for message in reader.read(topic, number, start, stop))
            take_partition(found, number, records, settings.sessions)
    finally:
        reader.close()
    return found


def newest(bounds: Mapping[int, tuple[int, int]], last: int) -> dict[int, tuple[int, int]]:
    """Which records of each partition are read: the newest, as many of each, and more where others have fewer.

    >>> newest({0: (0, 100), 1: (5, 7)}, 10)
    {1: (5, 7), 0: (92, 100)}
    """
    spans: dict[int, tuple[int, int]] = {}
    for at, (number, (low, high)) in enumerate(sorted(bounds.items(), key=lambda each: each[1][1] - each[1][0])):
        share = min(high - low, -(-last // (len(bounds) - at)))
        spans[number], last = (high - share, high), last - share
    return spans


def take_partition(found: Found, number: int, records: Iterable[Record], rules: SessionConfig) -> None:
    """Give the records of a partition to a sessionizer that has seen none before, and count what comes of them."""
    sessionizer, now, newest_time = Sessionizer(rules, partition=number), time.time_ns() // 1_000_000, None
    order = found.order
    for record in records:
        found.records += 1
        found.by_broker += record.by_broker
        where = f"{number}@{record.offset}"
        try:
            message = decode_clicks(record.value)
        except ContractError as error:
            found.report.read += 1
            found.report.refuse(error.reason, Refusal(1, where, record.offset, cut(str(error))))
            continue
        clicks = message if isinstance(message, list) else []
        if not record.by_broker:
            latest = max((click.timestamp for click in clicks), default=0)
            sessionizer.decide(latest, end=record.offset + 1, now=now)
        out = sessionizer.process(
            message, offset=record.offset, arrived_at=record.arrived_at(now), by_broker=record.by_broker
        )
        kinds = _count(found, out, where, record)
        found.report.read += len(clicks)
        found.report.kept += len(clicks) - kinds["rejected"]
        if kinds["rejected"] == 0:
            for click in clicks:
                order.events += 1
                behind = 0 if newest_time is None else newest_time - click.timestamp
                order.behind += behind > 0
                order.most = max(order.most, behind)
                newest_time = click.timestamp if newest_time is None else max(newest_time, click.timestamp)
                _take(found, click, record)
    found.repeats += sessionizer.duplicates


def _count(found: Found, out: Iterable[Output], where: str, record: Record) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for each in out:
        if isinstance(each, Rejected):
            kinds["rejected"] += 1
            found.report.refuse(each.reason, Refusal(1, where, record.offset, cut(each.message)))
        elif isinstance(each, LateEvent):
            found.order.late += 1
    return kinds


def _take(found: Found, click: Click, record: Record) -> None:
    found.unkeyed += record.key != click.user_id.encode()
    found.partitions[click.user_id] = found.partitions.get(click.user_id, 0) | 1 << record.partition
    if record.by_broker:
        found.delays.append(record.timestamp - click.timestamp)
    for name, column in found.columns.items():
        column.append(getattr(click, name))
