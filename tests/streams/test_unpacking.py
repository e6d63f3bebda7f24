"""Every record that lies in a log comes out of a fetch, whatever the names of its headers and its compression."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.records import Record
from streams.runtime.unpacking import install
from tests.streams.raw_batches import CODECS, NOT_UTF8, STANDS_FOR_IT, Sent, raw_batch

READ_COMMITTED = 1
NAMES = ["a", "", "\u20ac", STANDS_FOR_IT]
SENT = st.tuples(
    st.none() | st.binary(max_size=9),
    st.none() | st.binary(max_size=9),
    st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=3)), max_size=3),
)


def unpacked(raw: bytes, *, start: int = 0) -> list[Record]:
    install()
    tp: Any = fetcher.TopicPartition("t", 1)
    records: Any = fetcher.PartitionRecords(
        tp, fetcher.MemoryRecords(raw), None, start, None, None, True, READ_COMMITTED
    )
    return list(records)


def expected(sent: Sent, offset: int) -> tuple[Any, ...]:
    key, value, headers = sent
    readable = all(name != STANDS_FOR_IT for name, _ in headers)
    return offset, key, value, tuple(headers) if readable else ()


@given(batches=st.lists(st.tuples(st.lists(SENT, min_size=1, max_size=4), st.sampled_from(sorted(CODECS))), max_size=4))
def test_every_record_of_a_fetch_is_unpacked_once_and_in_order(batches: list[tuple[list[Sent], str]]) -> None:
    raw, sent = b"", list[Sent]()
    for records, codec in batches:
        raw += raw_batch(records, codec=codec, base=len(sent))
        sent += records
    found = [(r.offset, r.key, r.value, r.headers) for r in unpacked(raw)]
    assert found == [expected(one, offset) for offset, one in enumerate(sent)]


def test_a_fetch_that_begins_inside_a_batch_leaves_out_what_is_before() -> None:
    sent: list[Sent] = [(b"k", b"v", []), (b"k", b"w", [(STANDS_FOR_IT, b"x")]), (b"k", b"z", [])]
    assert [r.value for r in unpacked(raw_batch(sent, base=7), start=8)] == [b"w", b"z"]


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_the_batches_of_these_tests_have_a_name_that_is_not_utf8(codec: str) -> None:
    raw = raw_batch([(b"k", b"v", [(STANDS_FOR_IT, b"x")])], codec=codec)
    assert codec != "none" or NOT_UTF8 in raw
    assert [(r.key, r.headers) for r in unpacked(raw)] == [(b"k", ())]
