"""A dead letter can always be written, and says what it lacks."""

from __future__ import annotations

import base64
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mos_online import contracts
from mos_online.errors import BrokerError, ContractError
from mos_online.settings import Settings
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.records import Record
from tests.streams.poison import HEADER_NAMES, HEADER_VALUES, KEYS, TIMESTAMPS, WHOLE
from tests.streams.stream_doubles import Producer

HEADERS = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES)), max_size=4).map(tuple)
RECORDS = st.builds(
    Record,
    topic=st.sampled_from(["clicks", "t" * 249]),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(-1, 2**63 - 1),
    key=st.one_of(st.sampled_from(KEYS), st.none() | st.binary(max_size=40)),
    value=st.one_of(st.sampled_from(WHOLE), st.none() | st.binary(max_size=40)),
    timestamp=st.sampled_from(TIMESTAMPS),
    headers=HEADERS,
)
ERRORS = st.builds(
    lambda make, text: make(text),
    st.sampled_from([lambda text: ContractError("invalid", text), ValueError, BrokerError]),
    st.sampled_from(["", "\x00" * 9000, "\ud83d" * 9000, "\U0001f600" * 9000, "no"]) | st.text(),
)


@pytest.fixture(autouse=True)
def _no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of pytest cannot send what is logged to pytest if there are lone surrogates in it."""
    monkeypatch.setattr(logging.getLogger("streams.kafka.dead_letters"), "disabled", True)


@examples(max_examples=40)
@given(RECORDS, ERRORS, st.sampled_from([4_000, 10_000, 100_000, 1_000_000]))
def test_a_dead_letter_can_always_be_written(record: Record, error: Exception, limit: int) -> None:
    producer = Producer()
    producer.limit = limit
    DeadLetters(producer, Settings(), processor="profiler", now=lambda: 7).refuse(record, error)  # type: ignore[arg-type]
    (letter,) = producer.letters()
    assert (letter.topic, letter.partition, letter.offset) == (record.topic, record.partition, record.offset)
    assert (letter.record_timestamp, letter.failed_at, letter.processor) == (record.timestamp, 7, "profiler")
    assert letter.reason == ("invalid" if isinstance(error, ContractError) else "internal_error")
    assert (letter.raw_size, letter.key_size) == (len(record.value or b""), len(record.key or b""))
    assert (record.value or b"").startswith(letter.raw or b"")
    assert (letter.raw is None, letter.key is None) == (record.value is None, record.key is None)
    headers = tuple((header.name, header.value) for header in letter.headers)
    assert headers == record.headers[: len(headers)]
    same = (letter.key, letter.raw, headers) == (record.key, record.value, record.headers)
    assert letter.is_whole == same
    if limit == 1_000_000 and letter.raw_size <= 500_000 and letter.key_size <= 1024 and letter.headers_size <= 8192:
        assert same
    ((key, value, _, _),) = producer.published[contracts.DEAD_LETTERS]
    assert msgspec.json.decode(value)["key"] == (None if key is None else base64.b64encode(key).decode())


def test_a_topic_that_takes_no_dead_letter_at_all_stops_the_worker() -> None:
    producer = Producer()
    producer.limit = 100
    letters = DeadLetters(producer, Settings(), processor="profiler")  # type: ignore[arg-type]
    record = Record(topic="clicks", partition=0, offset=1, key=None, value=b"{", timestamp=0)
    with pytest.raises(BrokerError, match="dead-letters takes no message of a thousand bytes: raise max"):
        letters.refuse(record, ContractError("not_json", "no"))
