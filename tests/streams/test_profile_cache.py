"""Profiles in memory take no more bytes than they may."""

from __future__ import annotations

import tracemalloc
from sys import getsizeof

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.users.profile import UserProfile
from streams.processors.profile_cache import EMPTY, ProfileCache, profile_bytes


def profile(user: str, events: int) -> UserProfile:
    return UserProfile(
        user_id=user,
        item_ids=[f"item-{user}-{n}" for n in range(events)],
        timestamps=[10**12 + n for n in range(events)],
        categories=[f"category {n % 5}" for n in range(events)],
        session_lengths=[1] * events,
        session_keys=[2**60 + n for n in range(events)],
        session_closes=[10**12 + n for n in range(events)],
        session_themes=[1000 + n for n in range(events)],
    )


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=60), st.integers(0, 60_000))
def test_it_holds_what_was_used_last_within_its_bytes(used: list[tuple[int, int]], limit: int) -> None:
    cache = ProfileCache(limit)
    expected: dict[str, UserProfile] = {}
    for number, events in used:
        one = profile(f"u{number}", events)
        cache.remember({one.user_id: one})
        expected.pop(one.user_id, None)
        expected[one.user_id] = one
        while sum(map(profile_bytes, expected.values())) > limit:
            del expected[next(iter(expected))]
    everybody = [f"u{number}" for number in range(21)]
    assert cache.of(everybody) == expected
    assert cache.bytes == sum(map(profile_bytes, expected.values())) <= limit
    cache.forget(["u1", "u2"])
    assert cache.of(everybody) == {user: one for user, one in expected.items() if user not in ("u1", "u2")}
    cache.clear()
    assert cache.bytes == 0
    assert cache.of(everybody) == {}


@pytest.mark.parametrize("events", [0, 5, 110, 30_000])
def test_the_bytes_are_those_that_are_taken(events: int) -> None:
    count = 1 if events > 1000 else 200
    cache = ProfileCache(2**30)
    tracemalloc.start()
    cache.remember({f"u{n}": profile(f"u{n}", events) for n in range(count)})
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.5 * taken < cache.bytes < 2.5 * taken


@given(st.lists(st.text(max_size=300), max_size=40), st.lists(st.none() | st.text(max_size=30), max_size=40))
def test_strings_of_any_alphabet_are_not_estimated_too_low(items: list[str], categories: list[str | None]) -> None:
    msgspec.json.encode([items, categories])  # CPython keeps the UTF-8 of what is written
    one = UserProfile(user_id="u", item_ids=items, categories=categories)
    texts = [*items, *(name for name in categories if name)]
    assert profile_bytes(one) >= EMPTY + sum(map(getsizeof, texts))


def test_what_is_not_ascii_takes_more() -> None:
    plain, other = ([letter * 1000 for _ in range(100)] for letter in ("a", "\u0416"))
    assert profile_bytes(UserProfile(user_id="u", item_ids=other)) > 5 * profile_bytes(
        UserProfile(user_id="u", item_ids=plain)
    )
