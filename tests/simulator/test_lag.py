"""Counting what is unread."""

from __future__ import annotations

import pytest

from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.settings import Settings
from simulator.replay.lag import RECORD_OVERHEAD, LagGuard, LagLimits


class Group:
    """Answers what it is told to."""

    readers = "consumer group g"

    def __init__(self, *bounds: tuple[int, int]) -> None:
        self._bounds = list(bounds)
        self.answer: list[int | None] | BrokerError = [None] * len(bounds)

    def bounds(self) -> list[tuple[int, int]]:
        return self._bounds

    def committed(self) -> list[int | None]:
        if isinstance(self.answer, BrokerError):
            raise self.answer
        return self.answer


def test_what_lay_unread_before_counts() -> None:
    group = Group((5, 9), (0, 0))
    assert LagGuard(group, LagLimits(messages=10), now=0).lag == 4
    assert not LagGuard(group, LagLimits(messages=3), now=0).has_room
    group.answer = [8, None]
    assert LagGuard(group, LagLimits(messages=3), now=0).lag == 1


def test_room_ends_at_the_limit_and_comes_back_below_half_of_it() -> None:
    group = Group((0, 0), (0, 0))
    guard = LagGuard(group, LagLimits(messages=10), now=0)
    for _ in range(10):
        guard.sent(1, 1)
    assert guard.has_room
    guard.sent(1, 1)
    assert not guard.has_room
    group.answer = [0, 5]
    guard.refresh(1)
    assert not guard.has_room
    group.answer = [0, 6]
    guard.refresh(2)
    assert guard.has_room
    assert guard.lag == 5


def test_bytes_count_too() -> None:
    group = Group((0, 0))
    guard = LagGuard(group, LagLimits(size=3 * (1000 + RECORD_OVERHEAD)), now=0)
    for _ in range(3):
        guard.sent(0, 1000)
    assert guard.has_room
    guard.sent(0, 0)
    assert not guard.has_room
    group.answer = [3]
    guard.refresh(1)
    assert guard.has_room


def test_patience_begins_anew_with_every_message_read() -> None:
    group = Group((0, 0))
    guard = LagGuard(group, LagLimits(messages=10, patience=60), now=0)
    guard.refresh(100)
    for _ in range(30):
        guard.sent(0, 1)
    guard.refresh(150)
    group.answer = [1]
    guard.refresh(155)
    guard.refresh(214)
    with pytest.raises(BrokerError, match="has read nothing for 60 s and is 29 messages behind"):
        guard.refresh(216)


def test_a_broker_that_does_not_answer_costs_no_patience() -> None:
    group = Group((0, 0))
    guard = LagGuard(group, LagLimits(messages=1), now=0)
    group.answer = BrokerUnavailableError("timed out")
    guard.sent(0, 1)
    guard.sent(0, 1)
    for moment in range(50, 1000, 50):
        guard.refresh(moment)
    group.answer = [0]
    guard.refresh(1000)
    with pytest.raises(BrokerError, match="has read nothing for 60 s"):
        guard.refresh(1011)


def test_a_broker_that_refuses_is_named_when_patience_ends() -> None:
    group = Group((0, 0))
    guard = LagGuard(group, LagLimits(messages=1), now=0)
    group.answer = BrokerError("timed out")
    guard.refresh(1000)
    guard.sent(0, 1)
    guard.sent(0, 1)
    guard.refresh(1030)
    with pytest.raises(BrokerError, match=r"\(timed out\)"):
        guard.refresh(1061)
    group.answer = [2]
    guard.refresh(1062)
    assert guard.has_room


def test_the_embedded_broker_gets_the_tight_limits() -> None:
    tight, wide = LagLimits.of(Settings(kafka="embedded")), LagLimits.of(Settings(kafka="host:9092"))
    assert tight.messages < 100_000
    assert tight.size < 5 * 2**20
    assert wide.size > tight.size
