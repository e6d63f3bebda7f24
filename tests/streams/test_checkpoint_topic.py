"""Which checkpoint of a partition counts, whoever has written what to its topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online import contracts
from mos_online.errors import BrokerUnavailableError
from mos_online.settings import Settings
from streams.processors.checkpoint_topic import DEPTH, ENVELOPE, CheckpointTopic

SIZE = 40
"""Bytes of a part."""


class Confluent:
    """What is used of confluent_kafka.Message."""

    def __init__(self, **facts: Any) -> None:
        self._facts = {"topic": contracts.SESSIONIZER_CHECKPOINTS, "partition": 3, "timestamp": (1, 5), "headers": None}
        self._facts |= facts

    def __getattr__(self, name: str) -> Any:
        return lambda: self._facts[name]


class Topic:
    """A partition of the compacted topic, with what is used of its producers and its reader."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes, bytes | None]] = []
        self.end = 0

    def publish(self, topic: str, key: bytes, value: bytes | None, *, partition: int) -> None:
        assert (topic, partition) == (contracts.SESSIONIZER_CHECKPOINTS, 3)
        assert len(key) + len(value or b"") <= self.room(topic)
        self.records.append((self.end, key, value))
        self.end += 1

    def room(self, topic: str) -> int:
        return SIZE + ENVELOPE

    def backwards(self, topic: str, partition: int) -> Iterator[Any]:
        return (Confluent(offset=offset, key=key, value=value) for offset, key, value in reversed(self.records))

    def compact(self, end: int) -> None:
        """As Kafka may do at any time with the records before an offset."""
        last = {key: offset for offset, key, _ in self.records if offset < end}
        self.records = [
            (offset, key, value)
            for offset, key, value in self.records
            if offset >= end or (last[key] == offset and value is not None)
        ]

    def owner(self) -> CheckpointTopic:
        return CheckpointTopic(Settings(), self, contracts.SESSIONIZER_CHECKPOINTS, 3)  # type: ignore[arg-type]


def begun(topic: Topic) -> tuple[CheckpointTopic, list[bytes]]:
    """A new owner, and the checkpoints that it finds."""
    owner = topic.owner()
    owner.claim()
    return owner, [one.content for one in owner.look_back(topic)]  # type: ignore[arg-type]


def test_the_last_checkpoint_of_the_last_owner_counts_not_that_of_one_who_was_paused() -> None:
    topic = Topic()
    paused, found = begun(topic)
    assert found == []
    paused.store(b"1")
    owner, found = begun(topic)
    assert found == [b"1"]
    owner.store(b"1")
    owner.store(b"2")
    paused.store(b"from long ago")
    topic.compact(topic.end)
    assert begun(topic)[1][0] == b"2"


def test_a_claim_that_was_delayed_makes_no_checkpoint_count() -> None:
    topic = Topic()
    owner, _ = begun(topic)
    owner.store(b"1")
    topic.owner().claim()  # of one who will see that it has been too late
    owner.store(b"2")
    assert begun(topic)[1] == [b"2", b"1"]


def test_a_checkpoint_of_which_a_part_is_missing_does_not_count_and_takes_no_other_one_with_it() -> None:
    topic = Topic()
    owner, _ = begun(topic)
    large = [bytes([number]) * 5 * SIZE for number in range(4)]
    for one in large:
        owner.store(one)
    topic.records.pop()
    topic.compact(topic.end)
    assert begun(topic)[1][0] == large[2]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"\x91" * 200_000, b"\xc1", b"x" * 10_000])
def test_what_is_no_part_of_a_checkpoint_is_passed_over(value: bytes | None) -> None:
    topic = Topic()
    owner, _ = begun(topic)
    owner.store(b"1")
    for _ in range(2 * DEPTH):
        topic.records.append((topic.end, b"?", value))
        topic.end += 1
    assert begun(topic)[1] == [b"1"]


def test_a_claim_that_cannot_be_read_yet_is_waited_for() -> None:
    topic = Topic()
    owner = topic.owner()
    owner.claim()
    topic.records.clear()
    with pytest.raises(BrokerUnavailableError, match="cannot be read there"):
        list(owner.look_back(topic))  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.just("new owner"),
        st.tuples(st.just("store"), st.integers(1, 4 * SIZE)),
        st.tuples(st.just("paused"), st.integers(0, 5)),
        st.tuples(st.just("compact"), st.floats(0, 1)),
        st.tuples(st.just("break off"), st.integers(1, 3)),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_the_last_whole_checkpoint_of_the_last_owner_is_found_after_any_compaction(steps: list[Any]) -> None:
    """Of those who were paused each may add one checkpoint, at any time; an owner may die while it writes."""
    topic = Topic()
    owner, found = begun(topic)
    before: list[CheckpointTopic] = []
    best = b"first"
    owner.store(best)
    stale = 0
    for number, step in enumerate(steps):
        match step:
            case "new owner":
                before.append(owner)
                owner, found = begun(topic)
                assert found[0] == best
                owner.store(best)
                stale = 0
            case "store", size:
                stale = 0
                best = number.to_bytes(4, "big") * int(size)
                owner.store(best)
            case "paused", which if which < len(before) and stale < DEPTH - 1:
                stale += 1
                before.pop(which).store(number.to_bytes(4, "big") * SIZE)
            case "compact", share:
                topic.compact(int(share * topic.end))
            case "break off", missing:
                kept = len(topic.records)
                owner.store(b"b" * 4 * SIZE)
                topic.records = topic.records[: kept + 4 - missing]
                owner, found = begun(topic)
                assert found[0] == best
                owner.store(best)
                stale = 0
    assert begun(topic)[1][0] == best
