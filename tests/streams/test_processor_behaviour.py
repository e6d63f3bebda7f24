"""What every stream processor promises, by the base that they share. Each test runs for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mos_online.contracts import Header
from mos_online.errors import BrokerError
from streams.kafka.records import Record
from streams.processors.base import Timer
from streams.runtime.worker import PROCESSORS
from tests.streams.processor_cases import CASES, CLOSABLE_AT, PARTITION, Case
from tests.streams.processor_runs import assign, drive, worked_off
from tests.streams.stream_doubles import Stream, eventually, quiet

UNDECODABLE = [None, b"", b"{", b"\xff\xfe", b"7", b"{}", b'{"user_id":"u","clicks":[]}', b"[" * 200_000]
UNDECODABLE += [b'{"user_id":' + b"[" * 200_000, b'{"user_id":1e999}', b'{"session_id":"' + b"x" * 999_999 + b'"}']
Layout = Callable[[list[Record]], list[list[Record]]]
LAYOUTS: dict[str, Layout] = {
    "one fetch": lambda records: [records],
    "a fetch each": lambda records: [[record] for record in records],
}


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


def test_every_processor_has_a_case() -> None:
    assert CASES.keys() == PROCESSORS.keys()


def test_it_is_registered_under_its_name_and_reads_a_topic_of_ours(case: Case) -> None:
    from mos_online import contracts

    assert case.processor.name in PROCESSORS
    assert case.processor.topic in contracts.TOPICS
    assert case.processor.batch_size > 0


@pytest.mark.parametrize("value", UNDECODABLE, ids=lambda value: repr(value)[:24])
def test_an_undecodable_record_is_one_dead_letter_and_the_stream_goes_on(
    case: Case, layout: Layout, value: bytes | None
) -> None:
    stream = Stream(*layout([case.record(0, "a"), case.record(1, "bad", value), case.record(2, "c")]))
    drive(case, stream, worked_off(case, stream, 2, "ac"))
    letters = case.producer.letters()
    assert len(letters) == 1
    for letter in letters:
        assert letter.reason in {"empty", "not_json", "not_object", "invalid", "too_large"}
        assert (letter.topic, letter.partition, letter.offset) == (case.processor.topic, PARTITION, 1)
        assert letter.raw == (value if value is None else value[:500_000])
        assert (letter.raw_size, letter.key, letter.processor) == (len(value or b""), b"bad", case.processor.name)
        assert letter.headers == [Header(name="closable_at", value=CLOSABLE_AT)]
        assert letter.message


def test_a_record_whose_work_fails_for_good_is_a_dead_letter_and_the_others_are_worked_off(
    case: Case, layout: Layout
) -> None:
    case.poison("bad")
    stream = Stream(*layout([case.record(0, "a"), case.record(1, "bad"), case.record(2, "c"), case.record(3, "d")]))
    drive(case, stream, worked_off(case, stream, 3, "acd"))
    assert [(letter.offset, letter.reason) for letter in case.producer.letters()] == [(1, case.refused)]


def test_what_is_too_large_for_kafka_is_a_dead_letter_and_the_others_are_published(case: Case, layout: Layout) -> None:
    case.producer.refuses = b"bad"
    stream = Stream(*layout([case.record(0, "a"), case.record(1, "bad"), case.record(2, "c")]))
    drive(case, stream, worked_off(case, stream, 2, ["a", "c"] if case.publishes else ["a", "bad", "c"]))
    letters = {(letter.key, letter.reason) for letter in case.producer.letters()}
    assert letters == ({(b"bad", "too_large")} if case.publishes else set())


def test_a_record_with_a_huge_key_is_a_dead_letter_that_fits(case: Case) -> None:
    case.poison("k" * 900_000)
    stream = Stream([case.record(0, "k" * 900_000, b"{"), case.record(1, "c")])
    drive(case, stream, worked_off(case, stream, 1, "c"))
    for key, value, _, _ in case.producer.published.get("dead-letters", []):
        assert len(key or b"") + len(value) < 1_000_000


def test_what_follows_lies_in_the_partition_of_its_record(case: Case) -> None:
    stream = Stream([case.record(0, "a")])
    drive(case, stream, worked_off(case, stream, 0, "a"))
    published = [one for topic, some in case.producer.published.items() if topic != "dead-letters" for one in some]
    assert {partition for _, _, partition, _ in published} == ({PARTITION} if published else set())
    assert bool(published) == case.publishes or case.processor.name == "joiner"  # it has claimed the partition


def test_revoking_breaks_off_the_work_and_acknowledges_nothing_of_it(case: Case) -> None:
    stream = Stream([case.record(0, "a")], [case.record(1, "b")])

    async def then() -> None:
        await at_work(case)
        await asyncio.wait_for(case.processor.revoked(), 30)
        await quiet()
        assert stream.acked == []
        assert case.done() == set()
        case.outage(down=False)
        assign(case)  # and the next owner, which is us, gets them again
        stream.add([case.record(0, "a")])
        stream.add([case.record(1, "b")])
        await worked_off(case, stream, 1, "ab")()
        assert stream.acked == [0, 1]

    drive(case, stream, then, up=False)


async def at_work(case: Case) -> None:
    """Until it is at work on a batch and cannot go on."""
    await eventually(lambda: case.processor._batches._at_work is not None, "a batch is at work")
    if case.needs is None:
        assert not case.processor.ready
        assert case.processor.waiting is None
    else:
        await eventually(lambda: case.processor.waiting is not None, "it says that it waits")


def test_it_says_what_it_waits_for_and_when_it_is_ready(case: Case) -> None:
    stream = Stream([case.record(0, "a")])

    async def then() -> None:
        await at_work(case)
        assert case.needs is None or case.needs in (case.processor.waiting or "")
        case.outage(down=False)
        await worked_off(case, stream, 0, "a")()
        assert case.processor.waiting is None
        assert case.processor.ready

    drive(case, stream, then, up=False)


def test_closing_breaks_off_the_work_and_takes_nothing_any_more(case: Case) -> None:
    stream = Stream([case.record(0, "a")])

    async def then() -> None:
        await at_work(case)
        case.outage(down=False) if case.needs is None else None  # its last checkpoints need Kafka
        await asyncio.wait_for(case.processor.close(), 30)
        done = case.done()
        case.outage(down=False)
        stream.add([case.record(1, "b")])
        await quiet()
        assert stream.acked == []
        assert case.done() == done <= {"a"}
        assert case.failures == []
        case.processor.close = nothing  # type: ignore[method-assign] # it was closed once

    drive(case, stream, then, up=False)


async def nothing() -> None:
    pass


def test_what_cannot_be_delivered_stops_the_worker_and_is_not_acknowledged(case: Case) -> None:
    stream = Stream([case.record(0, "a")])

    async def then() -> None:
        await eventually(lambda: case.processor.ready, "it is ready")
        case.producer.broken = True
        stream.add([case.record(1, "b")])
        await eventually(lambda: case.failures, "the worker fails")
        assert isinstance(case.failures[0], BrokerError)
        assert 1 not in stream.acked
        case.producer.broken = False

    drive(case, stream, then)


def test_an_error_that_is_no_record_s_fault_stops_the_worker(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(records: list[Record]) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(case.processor, "work", fails)
    stream = Stream([case.record(0, "a")])

    async def then() -> None:
        with pytest.raises(OSError, match="the disk is full"):
            await case.processor.run(stream)
        assert [str(error) for error in case.failures] == ["the disk is full"]
        assert stream.acked == []
        assert case.producer.letters() == []

    drive(case, Stream(), then)


def test_a_timer_that_fails_stops_the_worker_and_does_no_more(case: Case) -> None:
    calls: list[Any] = []

    async def fails() -> None:
        calls.append(1)
        raise OSError("the disk is full")

    async def then() -> None:
        for _ in range(3):
            await case.processor.run_timer(Timer(name="of-a-test", seconds=1, action=fails))
        assert [str(error) for error in case.failures] == ["the disk is full"]
        assert len(calls) == 1

    drive(case, Stream(), then)


def test_its_own_timers_run(case: Case) -> None:
    stream = Stream([case.record(0, "a")])

    async def then() -> None:
        await worked_off(case, stream, 0, "a")()
        for timer in case.processor.timers():
            await case.processor.run_timer(timer)
        assert case.failures == []

    drive(case, stream, then)
