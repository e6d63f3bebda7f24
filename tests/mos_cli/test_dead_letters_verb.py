"""``mos dead-letters`` as a user runs it, on the embedded broker."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mos_online import contracts
from mos_online.errors import ContractError
from mos_online.settings import Settings
from publishing.producer import Headers, RecordProducer
from streams.broker.embedded import embedded_broker
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.log_reader import LogReader
from streams.kafka.records import Record, of_confluent
from tests.mos_cli.mos_runs import Mos

HEADERS: Headers = (("trace", b"\xff"), ("trace", None), ("closable_at", b"8"))


@pytest.fixture
def kafka(mos_home: Settings) -> Iterator[Settings]:
    with embedded_broker(mos_home):
        yield mos_home


@pytest.fixture
def write(kafka: Settings) -> Callable[..., None]:
    """Writes a dead letter of a record that lay in a topic of ours."""
    producer = RecordProducer(kafka)

    def write(
        offset: int, *, reason: str = "invalid", processor: str = "sessionizer", at: int = 10**12, **record: Any
    ) -> None:
        facts: dict[str, Any] = {
            "topic": "clicks",
            "partition": 2,
            "key": b"u\xff",
            "value": b'{"a":\n1}',
            "headers": HEADERS,
        }
        letters = DeadLetters(producer, kafka, processor=processor, now=lambda: at)
        letters.refuse(Record(offset=offset, timestamp=5, **(facts | record)), ContractError(reason, "\x1b[2Jno"))
        asyncio.run(producer.flush())

    return write


def documents(mos: Mos, *arguments: str) -> list[dict[str, Any]]:
    answer = mos("dead-letters", *arguments, "--json")
    assert (answer.status, answer.err.strip()) == (0, "")
    return [json.loads(line) for line in answer.out.splitlines()]


def on_topic(kafka: Settings, topic: str) -> list[Record]:
    reader = LogReader(kafka)
    found = [
        of_confluent(message)
        for number in range(kafka.partitions)
        for message in reader.read(topic, number, *reader.bounds(topic, number))
    ]
    reader.close()
    return found


def test_letters_are_listed_by_what_is_asked_for(mos: Mos, write: Callable[..., None]) -> None:
    write(1)
    write(2, reason="not_json", at=2 * 10**12)
    write(3, processor="profiler", topic="sessions")
    found = {letter["offset"]: letter for letter in documents(mos, "list")}
    assert sorted(found) == [1, 2, 3]
    assert base64.b64decode(found[1]["raw"]) == b'{"a":\n1}'
    for arguments, offsets in (
        (["--reason", "not_json"], [2]),
        (["--reason", "not_json", "--reason", "invalid"], [1, 2, 3]),
        (["--processor", "profiler"], [3]),
        (["--topic", "clicks"], [1, 2]),
        (["--since", "2033-01-01"], [2]),
        (["--since", "2033-01-01", "--topic", "sessions"], []),
    ):
        assert sorted(letter["offset"] for letter in documents(mos, "list", *arguments)) == offsets
    answer = mos("dead-letters", "list")
    assert "clicks[2]@1" in answer.out
    assert "\x1b" not in answer.out
    assert "\\x1b[2Jno" in answer.out


def test_a_letter_is_shown_with_all_it_has(mos: Mos, write: Callable[..., None]) -> None:
    write(1, value=b"a\x1b[2Jb")
    write(2, value=None, key=None, headers=())
    names = {letter["offset"]: letter["name"] for letter in documents(mos, "list")}
    shown = mos("dead-letters", "show", names[1]).out
    for words in (
        "clicks[2]@1",
        "invalid: \\x1b[2Jno",
        "(2 bytes) u\ufffd",
        "closable_at: (1 bytes) 8",
        "a\\x1b[2Jb",
        "trace: none",
    ):
        assert words in shown
    assert "value      none" in mos("dead-letters", "show", names[2]).out
    assert documents(mos, "show", names[1])[0]["headers"][1] == {"name": "trace", "value": None}
    missing = mos("dead-letters", "show", "0@999")
    assert (missing.status, missing.out) == (2, "")
    assert "there is no dead letter 0@999" in missing.err


def test_nothing_is_sent_without_yes(mos: Mos, kafka: Settings, write: Callable[..., None]) -> None:
    write(1)
    (planned,) = documents(mos, "resend")
    assert (planned["sent"], planned["refusal"]) == (False, None)
    assert "1 would be sent; --yes sends them" in mos("dead-letters", "resend").out
    assert on_topic(kafka, "clicks") == []


def test_a_record_is_sent_again_to_where_it_was(mos: Mos, kafka: Settings, write: Callable[..., None]) -> None:
    write(1)
    write(4, topic="sessions", partition=1, key=None, value=b"")
    assert [each["sent"] for each in documents(mos, "resend", "--yes")] == [True, True]
    (click,), (session,) = on_topic(kafka, "clicks"), on_topic(kafka, "sessions")
    assert (click.partition, click.key, click.value) == (2, b"u\xff", b'{"a":\n1}')
    assert click.headers == (*HEADERS, ("resent", b"1"))
    assert (session.partition, session.key, session.value) == (1, None, b"")


def test_only_those_that_are_named_or_chosen_are_sent(mos: Mos, kafka: Settings, write: Callable[..., None]) -> None:
    for offset in range(3):
        write(offset, reason="invalid" if offset else "not_json", value=b"%d" % offset)
    names = {letter["offset"]: letter["name"] for letter in documents(mos, "list")}
    assert "1 sent" in mos("dead-letters", "resend", names[2], "--yes").out
    assert [record.value for record in on_topic(kafka, "clicks")] == [b"2"]
    documents(mos, "resend", "--reason", "not_json", "--yes")
    assert [record.value for record in on_topic(kafka, "clicks")] == [b"2", b"0"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"value": b"x" * 500_001}, "was cut"),
    ({"key": b"k" * 1025}, "was cut"),
    ({"headers": (("h", b"h" * 9000),)}, "was cut"),
    ({"value": None}, "has no value"),
    ({"partition": 999}, "clicks has 8 partitions"),
    ({"topic": "somebody-elses"}, "none of the topics that are read"),
    ({"topic": "dead-letters"}, "none of the topics that are read"),
    ({"topic": "sessionizer-checkpoints"}, "none of the topics that are read"),
    ({"headers": (("resent", b"1"),)}, "has been sent again 1 times"),
]


@pytest.mark.parametrize(("record", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_sent_is_refused(
    record: dict[str, Any], words: str, mos: Mos, kafka: Settings, write: Callable[..., None]
) -> None:
    write(1, **record)
    (done,) = documents(mos, "resend", "--yes")
    assert done["sent"] is False
    assert words in done["refusal"]
    assert words in mos("dead-letters", "resend").out
    assert on_topic(kafka, "clicks") == []


def test_a_record_that_comes_back_again_and_again_is_noticed(
    mos: Mos, kafka: Settings, write: Callable[..., None]
) -> None:
    write(1, headers=(("resent", b"1"), ("h", b"v")))
    assert [each["sent"] for each in documents(mos, "resend", "--yes", "--again")] == [True]
    assert on_topic(kafka, "clicks")[0].headers == (("h", b"v"), ("resent", b"2"))


def test_a_record_with_several_letters_is_sent_once(mos: Mos, kafka: Settings, write: Callable[..., None]) -> None:
    write(1)
    write(1, processor="popularity")
    write(-1)
    write(-1)
    assert sorted(each["sent"] for each in documents(mos, "resend", "--yes")) == [False, True, True, True]
    assert len(on_topic(kafka, "clicks")) == 3


def test_what_is_no_dead_letter_is_passed_over(mos: Mos, kafka: Settings, write: Callable[..., None]) -> None:
    producer = RecordProducer(kafka)
    for value in (b"{", b"", b"[" * 200_000):
        producer.publish(contracts.DEAD_LETTERS, None, value)
    asyncio.run(producer.flush())
    write(1)
    answer = mos("dead-letters", "list", "--json")
    assert [json.loads(line)["offset"] for line in answer.out.splitlines()] == [1]
    assert answer.err.strip() == "3 records of the topic are no dead letters"


def test_without_a_broker_it_says_so(mos: Mos) -> None:
    answer = mos("dead-letters", "list")
    assert answer.status == 2
    assert "mos kafka" in answer.err
