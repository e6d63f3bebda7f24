"""Which rows of popularity are written, and when."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import AcceptedClick, AcceptedClicks
from mos_online.errors import BrokerUnavailableError
from mos_online.items.co_clicks import CoClicks
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from streams.kafka.log_reader import truncated
from streams.kafka.records import Record
from streams.processors import popularity
from streams.processors.due_rows import DueRows
from tests.streams.processor_cases import HOUR, NOW, PARTITION, PRESENT, PopularityCase
from tests.streams.stream_doubles import Message, eventually, quiet


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
        timer, _ = processor.timers()
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
        timer, _ = first.processor.timers()
        await first.processor.process(records[:2])
        await first.processor.run_timer(timer)  # the row is written here
        await first.processor.process(records[2:6])

    async def going_on(offset: int) -> PopularitySnapshot:
        case = PopularityCase(mos_home, tmp_path / f"model {offset}", monkeypatch)
        case.store.popularity |= first.store.popularity
        case.log.records = messages(records)
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


@pytest.mark.parametrize("written", [True, False])
def test_a_killed_worker_counts_each_co_click_once_and_remembers_the_last_clicks(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Two users click in turn, so each click goes with one of a record that was worked off long before."""
    first = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    clicks = [AcceptedClick(1000 * n, PRESENT - HOUR + n, 1.0, f"u{n % 2}", f"i{n}") for n in range(8)]
    values = [contracts.encode(AcceptedClicks.of("a log", [click])) for click in clicks]
    records = [first.record(n, "u", value) for n, value in enumerate(values)]
    expected = CoClicks(half_life_ms=86_400_000, window_ms=first.settings.sessions.gap)
    for click in clicks:
        expected.add(click.user_id, click.item_id, click.timestamp)

    async def killed() -> None:
        popularity, timer = first.processor.timers()
        await first.processor.process(records[:4])
        await first.processor.run_timer(popularity)
        if written:
            await first.processor.run_timer(timer)
        assert first.store.co_clicks[PARTITION].counted_to == (3001 if written else 0)
        await first.processor.process(records[4:6])

    async def going_on(offset: int) -> None:
        case = PopularityCase(mos_home, tmp_path / f"model {offset}", monkeypatch)
        case.store.co_clicks |= first.store.co_clicks
        case.store.popularity |= first.store.popularity
        case.log.records = messages(records)
        await case.processor.process(records[offset:])
        await case.processor.close()
        assert case.failures == []
        found = CoClicks(half_life_ms=86_400_000, window_ms=1)
        found.resume(case.store.co_clicks[PARTITION])
        for click in clicks:
            assert found.listed(click.item_id) == pytest.approx(expected.listed(click.item_id), rel=1e-4)

    asyncio.run(killed())
    for offset in (0, 4, 6, 7):  # where the consumer group goes on
        asyncio.run(going_on(offset))


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


@pytest.mark.parametrize(("low", "lost"), [(1, 0), (2, 0), (3, 1), (9, 4)])
def test_records_that_retention_took_are_left_out_and_the_others_counted(
    mos_home: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    low: int,
    lost: int,
) -> None:
    """What is only read to remember the last clicks may be gone without a word."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    records = [case.record(n, f"i{n}") for n in range(8)]
    case.log.records = messages(records)
    monkeypatch.setattr(case.log, "bounds", lambda *_: (low, 1000))

    async def run() -> None:
        await case.processor.process(records[:2])
        await case.processor.on_revoked()
        await case.processor.process(records[6:])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert set(case.store.popularity[PARTITION].item_ids) == {f"i{n}" for n in range(8) if not 2 <= n < 2 + lost}
    assert ("records of popularity are lost" in caplog.text) == (lost > 0)


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


FAR = [253_402_300_799_999, 2**63 - 1, 2**31 * 1000]
"""Positions that a record can name and that no log reaches."""


def messages(records: Iterable[Record]) -> list[Message]:
    """Records as they are read again, which arrive now."""
    return [Message(msgspec.structs.replace(record, timestamp=PRESENT)) for record in records]


def forged(position: int, *, log_id: str = "a log") -> bytes:
    return contracts.encode(AcceptedClicks.of(log_id, [AcceptedClick(position, PRESENT - HOUR, 1.0, "u", "forged")]))


@pytest.mark.parametrize("position", FAR)
def test_a_position_beyond_the_end_of_the_clicks_is_refused_and_moves_nothing(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """Else all later clicks would count as counted."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    case.log.end = 7

    async def run() -> None:
        await case.processor.process([case.record(0, "a"), case.record(1, "u", forged(position)), case.record(2, "b")])
        await case.processor.process([case.record(3, "u", forged(7000)), case.record(4, "u", forged(position))])
        await case.processor.process([case.record(6, "c")])
        await case.processor.on_revoked()

    asyncio.run(run())
    row = case.store.popularity[PARTITION]
    assert set(row.item_ids) == {"a", "b", "c"}
    assert (row.counted_to, row.read_to) == (6001, 7)
    assert [(letter.reason, letter.offset) for letter in case.producer.letters()] == [
        ("unknown_position", 1),
        ("unknown_position", 3),
        ("unknown_position", 4),
    ]


def test_the_end_of_the_clicks_is_asked_for_once_in_a_batch_and_only_if_it_is_not_known_to_be_far_enough(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    case.log.end = 50

    async def run() -> None:
        await case.processor.process([case.record(offset, "a") for offset in range(9)])
        assert case.log.asked == 1
        await case.processor.process([case.record(offset, "a") for offset in range(9, 50)])
        assert case.log.asked == 1
        case.log.end = 70
        await case.processor.process([case.record(offset, "a") for offset in range(50, 60)])
        assert case.log.asked == 2
        await case.processor.close()

    asyncio.run(run())
    assert case.producer.letters() == []


def test_a_broker_that_does_not_say_where_the_clicks_end_is_asked_again(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    bounds, answers = case.log.bounds, [False, True, False, True, True]

    def sometimes(topic: str, partition: int) -> tuple[int, int]:
        if not answers.pop(0):
            raise BrokerUnavailableError("of a test")
        return bounds(topic, partition)

    monkeypatch.setattr(case.log, "bounds", sometimes)
    case.log.records = messages(case.record(offset, "a") for offset in range(3))

    async def run() -> None:
        await case.processor.process([case.record(0, "a")])
        await case.processor.on_revoked()
        case.log.end = 2000
        again = case.record(1001, "b")
        case.log.records = [*case.log.records, *messages(case.record(offset, "a") for offset in range(3, 1001))]
        await case.processor.process([again])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert case.store.popularity[PARTITION].counted_to == 1_001_001
    assert case.producer.letters() == []
    assert answers == []


def test_a_position_that_no_log_has_moves_nothing_either_if_it_is_read_again(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    records = [case.record(0, "a"), case.record(1, "u", forged(FAR[0])), case.record(2, "b"), case.record(3, "c")]
    case.log.records = messages(records)

    async def run() -> None:
        await case.processor.process(records[:1])
        await case.processor.on_revoked()
        await case.processor.process(records[3:])  # two were acknowledged, and the row was not written
        await case.processor.on_revoked()

    asyncio.run(run())
    row = case.store.popularity[PARTITION]
    assert (set(row.item_ids), row.counted_to) == ({"a", "b", "c"}, 3001)
    assert [letter.offset for letter in case.producer.letters()] == [1]


def test_a_record_of_a_partition_that_the_clicks_do_not_have_is_refused(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To wait for the partition would hold up the others for ever."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    case.log.count = PARTITION + 1
    beyond = msgspec.structs.replace(case.record(0, "u", forged(0)), partition=PARTITION + 1)

    async def run() -> None:
        await case.processor.process([beyond, case.record(1, "a")])
        await case.processor.on_revoked()

    asyncio.run(run())
    assert case.store.popularity[PARTITION].item_ids == ["a"]
    assert [letter.reason for letter in case.producer.letters()] == ["unknown_position"]


def test_a_forged_log_lets_no_click_be_left_out(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can only have those counted again that come again after it."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)

    async def run() -> None:
        await case.processor.process([case.record(0, "a"), case.record(1, "u", forged(999_000, log_id="another"))])
        await case.processor.process([case.record(2, "b"), case.record(3, "c"), case.record(3, "c")])
        await case.processor.on_revoked()

    asyncio.run(run())
    row = case.store.popularity[PARTITION]
    counts = dict(zip(row.item_ids, row.counts, strict=True))
    assert counts == pytest.approx(dict.fromkeys(["a", "b", "c", "forged"], 1.0), abs=0.1)
    assert case.producer.letters() == []


def test_rows_are_written_once_in_a_period_and_sooner_when_event_time_runs_faster(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Popularity has a half-life of a second here, so a span of 17 ms, and co-clicks of a day: 24 minutes."""
    case = PopularityCase(mos_home, tmp_path / "model", monkeypatch)
    processor, store = case.processor, case.store
    assert isinstance(processor, popularity.PopularityProcessor)
    free = partial(DueRows, longest=math.inf, share=1.0)
    processor._due, processor._due_together = free(), free()
    written: list[tuple[int, int]] = []

    def record(offset: int, time: int) -> Record:
        click = AcceptedClick(1000 * offset, PRESENT - 24 * HOUR + time, 1.0, f"u{offset % 2}", f"i{offset}")
        return case.record(offset, "u", contracts.encode(AcceptedClicks.of("a log", [click])))

    async def run() -> None:
        for offset, time in enumerate((0, 10, 16, 17, 1_440_010, 1_440_020)):
            await processor.process([record(offset, time)])
            for timer in processor.timers():
                await processor.run_timer(timer)
            rows = store.popularity[PARTITION].counted_to, store.co_clicks[PARTITION].counted_to
            written.append((rows[0] // 1000, rows[1] // 1000))
        assert case.failures == []

    asyncio.run(run())
    assert written == [(0, 0), (0, 0), (0, 0), (3, 0), (4, 4), (4, 4)]
