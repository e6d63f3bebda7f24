"""What one user can add to the popularity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.items.user_limits import HOUR_MS, UserLimits, UserSums

LIMITS = UserLimits(per_item=5, in_all=12)
Action = tuple[str, str, int, float]
actions = st.lists(
    st.tuples(st.sampled_from("uv"), st.sampled_from("abcd"), st.integers(0, 3 * HOUR_MS), st.floats(0.1, 9)),
    max_size=60,
)


@given(actions)
def test_no_user_adds_more_than_the_limits_and_below_them_everything_counts(given_actions: list[Action]) -> None:
    ordered = sorted(given_actions, key=lambda action: action[2])
    sums = UserSums(LIMITS)
    items: dict[tuple[int, str, str], float] = {}
    users: dict[tuple[int, str], float] = {}
    for user, item, time, weight in ordered:
        hour = time // HOUR_MS
        on_item, on_all = items.get((hour, user, item), 0.0), users.get((hour, user), 0.0)
        added = sums.allowed(user, item, time, weight)
        assert added == pytest.approx(max(0.0, min(weight, 5 - on_item, 12 - on_all)), abs=1e-9)
        items[hour, user, item], users[hour, user] = on_item + added, on_all + added


def test_a_click_of_the_hour_before_is_cut_by_the_sums_of_that_hour() -> None:
    sums = UserSums(LIMITS)
    assert sums.allowed("u", "a", HOUR_MS - 2, 5) == 5
    assert sums.allowed("u", "a", HOUR_MS, 4) == 4
    assert sums.allowed("u", "a", HOUR_MS - 1, 4) == 0


def test_memory_is_bounded_whatever_comes() -> None:
    sums = UserSums(LIMITS, remembered=100)
    for number in range(10_000):
        sums.allowed(f"user {number}", f"item {number}", number, 1)
        assert len(sums) <= 2 * 102
    assert sum(sums.allowed("u", "a", 0, 1) for _ in range(50)) == 5


def test_the_limits_hold_while_no_more_sums_are_begun_than_are_remembered() -> None:
    sums = UserSums(LIMITS, remembered=1000)
    total = 0.0
    for number in range(490):
        total += sums.allowed("greedy", "a", 0, 1)
        sums.allowed(f"other {number}", "b", 0, 1)
    assert total == 5
