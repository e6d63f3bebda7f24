"""Assignment: test vectors, and that a ramp moves nobody."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mos_online.experiments import BUCKETS, Arm, Split, assigned, bucket

ARMS = (Arm("frozen", 5_000), Arm("online", 3_000), Arm("slow", 2_000))


def test_buckets_are_those_of_the_documented_formula() -> None:
    """The numbers are what `printf 'salt\\0user' | b2sum -l 64` prints."""
    assert bucket("home", "anna") == 0xAE1BF2038440BA5E % BUCKETS
    assert bucket("", "") == 0x94F6D9CDD1EA8248 % BUCKETS
    assert bucket("a", "b") == 0xFFC151170352BAA3 % BUCKETS
    assert bucket("ab", "") == 0xDF129FE81742A343 % BUCKETS
    assert bucket("home", "anna-müller") == 0xF3FE1983D97890FF % BUCKETS


@given(st.text(max_size=20), st.integers(0, 4_000), st.integers(4_000, 6_000), st.integers(6_000, BUCKETS))
def test_a_ramp_keeps_everybody_who_is_in(user: str, start: int, middle: int, end: int) -> None:
    small = assigned("home", [Split("routing", 1, [(start, middle)], ARMS)], user)
    large = assigned("home", [Split("routing", 1, [(start, middle), (middle, end)], ARMS)], user)
    assert small is None or small == large
    assert (large is not None) == (start <= bucket("home", user) < end)


def test_arms_get_their_shares_and_are_independent_of_the_layer_and_of_the_version() -> None:
    users = [f"u{number}" for number in range(20_000)]
    halves: Counter[tuple[str, bool]] = Counter()
    changed = 0
    for user in users:
        first = assigned("home", [Split("routing", 1, [(0, BUCKETS)], ARMS)], user)
        second = assigned("home", [Split("routing", 2, [(0, BUCKETS)], ARMS)], user)
        assert first is not None
        assert second is not None
        halves[first.arm, bucket("home", user) < BUCKETS / 2] += 1
        changed += first.arm != second.arm
    for arm in ARMS:
        for half in (False, True):
            expected = len(users) * arm.buckets / BUCKETS / 2
            assert abs(halves[arm.name, half] - expected) < 5 * expected**0.5
    assert abs(changed - 0.62 * len(users)) < 5 * (0.62 * 0.38 * len(users)) ** 0.5


def test_of_two_experiments_a_user_is_in_one_or_none() -> None:
    splits = [Split("a", 1, [(0, 3_000)], ARMS), Split("b", 1, [(3_000, 9_000)], ARMS)]
    seen = Counter(found.experiment if (found := assigned("l", splits, f"u{n}")) else None for n in range(5_000))
    assert set(seen) == {"a", "b", None}
    assert abs(seen[None] - 500) < 120
