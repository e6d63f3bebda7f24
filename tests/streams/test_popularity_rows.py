"""Which rows of popularity are written, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from mos_online import contracts
from mos_online.contracts import AcceptedClick, AcceptedClicks
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from streams.kafka.log_reader import truncated
from streams.kafka.records import Record
from tests.streams.processor_cases import NOW, PARTITION, PopularityCase
from tests.streams.stream_doubles import eventually, quiet


def test_nothing_is_written_of_a_partition_after_it_was_given_up(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a write that is under way nor by one that the store has refused and that is tried again."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    processor, write = case.processor, case.store.write_popularity
    began, may_end = threading.Event(), threading.Event()

    def slowly(snapshots: Sequence[PopularitySnapshot]) -> None:
        began.set()
        may_end.wait()
        write(snapshots)

    async def run() -> None:
        (timer,) = processor.timers()
        await processor.process([case.record(0, "a")])
        case.store.down = True
        refused = asyncio.create_task(processor.run_timer(timer))
        await eventually(lambda: processor.waiting is not None, "the store has refused a write")
        await processor.revoked()
        case.store.down = False
        await refused
        assert case.store.popularity == {}

        await processor.process([case.record(1, "b")])
        monkeypatch.setattr(case.store, "write_popularity", slowly)
        under_way = asyncio.create_task(processor.run_timer(timer))
        await asyncio.to_thread(began.wait)
        revoked = asyncio.create_task(processor.revoked())
        await quiet()
        assert not revoked.done()
        may_end.set()
        await asyncio.gather(revoked, under_way)
        assert case.store.popularity.keys() == {PARTITION}
        assert case.failures == []

    asyncio.run(run())


def test_a_killed_worker_loses_no_click_and_counts_none_twice(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records were acknowledged, but the row was not written; some of them come again, too."""
    first = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    records = [first.record(offset, f"item {offset % 3}") for offset in range(9)]

    async def killed() -> None:
        (timer,) = first.processor.timers()
        await first.processor.process(records[:2])
        await first.processor.run_timer(timer)  # the row is written here
        await first.processor.process(records[2:6])

    async def going_on(offset: int) -> PopularitySnapshot:
        case = PopularityCase(mos_home, tmp_path / f"model {offset}", monkeypatch)
        case.store.popularity |= first.store.popularity
        case.log.records = [Message(record) for record in records]
        await case.processor.process(records[offset:])
        await case.processor.close()
        assert case.failures == []
        return case.store.popularity[PARTITION]

    asyncio.run(killed())
    for offset in (0, 2, 6, 8):  # where the consumer group goes on
        row = asyncio.run(going_on(offset))
        assert dict(zip(row.item_ids, row.counts, strict=True)) == pytest.approx(
            dict.fromkeys(row.item_ids, 3.0), abs=0.1
        )
        assert len(row.item_ids) == 3
        assert row.read_to == 9


def test_records_that_are_gone_are_left_out_with_a_warning(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)

    def gone(topic: str, partition: int, start: int, stop: int) -> None:
        raise truncated(topic, partition, start, stop)

    async def run() -> None:
        await case.processor.process([case.record(0, "a")])
        await case.processor.on_revoked()
        monkeypatch.setattr(case.log, "read", gone)
        await case.processor.process([case.record(7, "a")])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert case.store.popularity[PARTITION].counts == pytest.approx([2.0], abs=0.1)
    assert "the last second of popularity is lost" in caplog.text


def test_a_click_that_is_too_far_ahead_is_refused(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sessionizer does not publish one, but anybody who may write to the topic can."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    ahead = AcceptedClick(5, 4 * 10**12, 1.0, "u", "garbage")
    value = contracts.encode(AcceptedClicks.of("a log", [ahead]))

    async def run() -> None:
        await case.processor.process([case.record(0, "a"), case.record(1, "u", value)])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert case.store.popularity[PARTITION].item_ids == ["a"]
    (letter,) = case.producer.letters()
    assert letter.reason == "future_timestamp"


@pytest.mark.parametrize(
    "changes",
    [
        {"users": []},
        {"items": ["a"]},
        {"times": [0, 1, 2]},
        {"weights": [2.0]},
        {"weights": [0.0, 1.0]},
        {"weights": [1e9, 1.0]},
        {"categories": ["c"] * 3},
        {"places": [1, 0]},
        {"places": [-1, 0]},
        {"places": []},
    ],
)
def test_accepted_clicks_that_do_not_fit_together_are_refused(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    clicks = [AcceptedClick(number, NOW - 5 + number, 2.0, "u", "bad", "c") for number in range(2)]
    wrong = msgspec.structs.replace(AcceptedClicks.of("a log", clicks), **changes)

    async def run() -> None:
        await case.processor.process([case.record(0, "a"), case.record(1, "u", contracts.encode(wrong))])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert case.store.popularity[PARTITION].item_ids == ["a"]
    (letter,) = case.producer.letters()
    assert letter.reason == "invalid"


class Message:
    """What is used of confluent_kafka.Message."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._record.topic

    def partition(self) -> int:
        return self._record.partition

    def offset(self) -> int:
        return self._record.offset

    def key(self) -> bytes | None:
        return self._record.key

    def value(self) -> bytes | None:
        return self._record.value

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._record.timestamp

    def headers(self) -> None:
        return None
