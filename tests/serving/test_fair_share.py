"""Shares of the queue, and turns in it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.scoring.answer import GreedyError, OverloadedError
from serving.scoring.fair_share import ACTIVE_SECONDS, FairShare
from serving.scoring.lanes import Lanes


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fill(share: FairShare, client: str, queries: int) -> tuple[int, OverloadedError | None]:
    """Take as often as it goes; how much that was, and what ended it."""
    taken = 0
    while taken < 10_000:
        try:
            share.take(client, queries)
        except OverloadedError as error:
            return taken, error
        taken += queries
    return taken, None


def test_a_client_alone_leaves_a_quarter_for_others() -> None:
    share = FairShare(room=256, call=64, clock=Clock())
    taken, error = fill(share, "greedy", 64)
    assert taken == 192
    assert isinstance(error, GreedyError)
    assert error.retry_after == 1
    share.take("other", 64)


def test_who_holds_nothing_is_let_in_while_a_greedy_one_asks_for_more() -> None:
    share = FairShare(room=256, call=64, clock=Clock())
    fill(share, "greedy", 64)
    for _ in range(100):
        share.take("other", 1)
        with pytest.raises(GreedyError):
            share.take("greedy", 1)
        share.give_back("other", 1)


def test_clients_that_asked_a_moment_ago_still_have_their_share_and_later_they_have_not() -> None:
    clock = Clock()
    share = FairShare(room=256, call=64, clock=clock)
    for client in ("a", "b"):
        share.take(client, 1)
        share.give_back(client, 1)
    clock.now += ACTIVE_SECONDS
    taken, error = fill(share, "greedy", 64)
    assert (taken, type(error)) == (64, GreedyError)
    share.give_back("greedy", 64)
    clock.now += ACTIVE_SECONDS + 0.2
    assert fill(share, "greedy", 64)[0] == 192
    assert share.active == 1


def test_many_small_clients_may_have_several_waiting_while_there_is_room() -> None:
    share = FairShare(room=256, call=64, clock=Clock())
    for client in range(90):
        for _ in range(2):
            share.take(str(client), 1)


def test_a_full_room_is_an_overload_for_who_holds_nothing() -> None:
    share = FairShare(room=8, call=2, clock=Clock())
    for client in range(8):
        share.take(str(client), 1)
    with pytest.raises(OverloadedError) as refused:
        share.take("late", 1)
    assert not isinstance(refused.value, GreedyError)


def test_clients_that_have_left_are_forgotten() -> None:
    clock = Clock()
    share = FairShare(room=256, call=64, clock=clock)
    for client in range(10_000):
        clock.now += 0.01
        share.take(str(client), 1)
        share.give_back(str(client), 1)
    assert share.active <= (ACTIVE_SECONDS + 0.2) / 0.01


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 64), st.booleans(), st.floats(0, 2)), max_size=200))
def test_counts_never_leave_the_room_and_who_holds_nothing_is_never_greedy(
    steps: list[tuple[str, int, bool, float]],
) -> None:
    clock = Clock()
    share = FairShare(room=256, call=64, clock=clock)
    held: Counter[str] = Counter()
    for client, queries, gives_back, seconds in steps:
        clock.now += seconds
        if gives_back:
            back = min(held[client], queries)
            if back:
                share.give_back(client, back)
                held[client] -= back
            continue
        try:
            share.take(client, queries)
        except GreedyError:
            assert held[client]
        except OverloadedError:
            assert held.total() + queries > 256
        else:
            held[client] += queries
            assert held.total() <= 256


def test_clients_take_turns() -> None:
    lanes: Lanes[str] = Lanes()
    for number in range(40):
        lanes.put("greedy", f"g{number}")
    lanes.put("other", "o0")
    lanes.put("third", "t0")
    lanes.put("other", "o1")
    assert lanes.take(6) == ["g0", "o0", "t0", "g1", "o1", "g2"]
    lanes.put("other", "o2")
    assert lanes.take(3) == ["g3", "o2", "g4"]


def test_what_is_queued_is_taken_before_the_end() -> None:
    lanes: Lanes[int] = Lanes()
    for number in range(5):
        lanes.put("a", number)
    lanes.close()
    assert lanes.take(3) == [0, 1, 2]
    assert lanes.take(3) == [3, 4]
    assert lanes.take(3) == []
    assert lanes.take(3) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=60), st.integers(1, 16))
def test_every_entry_comes_once_and_in_the_order_of_its_client(puts: list[tuple[str, int]], most: int) -> None:
    lanes: Lanes[tuple[str, int]] = Lanes()
    for client, number in puts:
        lanes.put(client, (client, number))
    lanes.close()
    out: list[tuple[str, int]] = []
    while taken := lanes.take(most):
        assert len(taken) <= most
        out += taken
    for name in "abc":
        assert [entry for entry in out if entry[0] == name] == [entry for entry in puts if entry[0] == name]
