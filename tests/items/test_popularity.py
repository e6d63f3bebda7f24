"""Popularity against its definition, whatever the order, the partitions and the restarts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import SESSION_END, Click, Context, EventTypes, Scalar
from mos_online.items.distinct_users import MOST, least_bits, user_bit
from mos_online.items.places import Place
from mos_online.items.popularity import ITEM_BYTES, ItemPopularity
from mos_online.items.snapshot import COUNTS, LISTS, SLOW, TOTALS, PopularitySnapshot, established, merge
from mos_online.model.realtime import realtime_of

HALF_LIFE = 1000.0
GAP = 300


def click(item: str, timestamp: int, *, category: Scalar = None, event_type: str = "click") -> Click:
    context: Context | None = {"category": category} if category is not None else None
    return Click(event_id="e", user_id="u", item_id=item, timestamp=timestamp, event_type=event_type, context=context)


def counted(clicks: Sequence[Click], partition: int = 0) -> ItemPopularity:
    popularity = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=partition)
    for one in clicks:
        popularity.observe(one, EventTypes.parse())
    return popularity


def decayed(clicks: Sequence[Click], half_life: float) -> dict[str, float]:
    now = max((one.timestamp for one in clicks), default=0)
    weights: dict[str, float] = {}
    for one in clicks:
        weights[one.item_id] = weights.get(one.item_id, 0.0) + 0.5 ** ((now - one.timestamp) / half_life)
    return weights


def assert_counts(snapshot: PopularitySnapshot, clicks: Sequence[Click], rounding: float = 1e-9) -> None:
    """The snapshot's numbers are those of the clicks, and the most active items come first."""
    fast, slow = decayed(clicks, HALF_LIFE), decayed(clicks, SLOW * HALF_LIFE)
    assert snapshot.as_of == max((one.timestamp for one in clicks), default=0)
    assert set(snapshot.item_ids) == set(fast)
    assert dict(zip(snapshot.item_ids, snapshot.counts, strict=True)) == pytest.approx(fast, rel=rounding)
    assert dict(zip(snapshot.item_ids, snapshot.slow_counts, strict=True)) == pytest.approx(slow, rel=rounding)
    assert snapshot.total == pytest.approx(sum(fast.values()), rel=rounding)
    assert snapshot.slow_total == pytest.approx(sum(slow.values()), rel=rounding)
    first = {name: min(one.timestamp for one in clicks if one.item_id == name) for name in fast}
    assert dict(zip(snapshot.item_ids, snapshot.first_seen, strict=True)) == first
    shares = [fast[name] / sum(fast.values()) + slow[name] / sum(slow.values()) for name in snapshot.item_ids]
    assert shares == pytest.approx(sorted(shares, reverse=True))


LOGS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20_000)), min_size=1, max_size=40).map(
    lambda rows: [click(item, timestamp) for item, timestamp in rows]
)


@settings(deadline=None)
@given(LOGS)
def test_counts_are_decayed_counts(clicks: list[Click]) -> None:
    assert_counts(counted(clicks).snapshot(top=100), clicks)


@settings(deadline=None)
@given(LOGS, st.randoms())
def test_the_order_of_arrival_does_not_matter(clicks: list[Click], random: Random) -> None:
    assert_counts(counted(random.sample(clicks, len(clicks))).snapshot(top=100), clicks)


@settings(deadline=None)
@given(LOGS, st.integers(1, 5), st.randoms())
def test_partitions_add_up(clicks: list[Click], partitions: int, random: Random) -> None:
    parts: list[list[Click]] = [[] for _ in range(partitions)]
    for one in clicks:
        random.choice(parts).append(one)
    merged = merge([counted(part).snapshot(top=100) for part in parts], half_life_ms=HALF_LIFE, top=100)
    assert merged.partition == -1
    assert_counts(merged, clicks)


VISITS = st.lists(
    st.tuples(st.sampled_from("uvwx"), st.sampled_from("abc"), st.integers(0, 2 * GAP)), min_size=1, max_size=40
)


def visits(steps: list[tuple[str, str, int]]) -> tuple[list[Click], list[Click]]:
    """Clicks in order of time, and those of them that begin a session."""
    now, clicks, starts, newest = 0, list[Click](), list[Click](), dict[str, int]()
    for user, item, step in steps:
        now += step
        one = msgspec.structs.replace(click(item, now), user_id=user)
        clicks.append(one)
        if user not in newest or now - newest[user] > GAP:
            starts.append(one)
        newest[user] = now
    return clicks, starts


@settings(deadline=None)
@given(VISITS, st.integers(0, 40), st.integers(1, 3))
def test_clicks_that_begin_a_session_are_counted_by_themselves_too(
    steps: list[tuple[str, str, int]], stopped_after: int, partitions: int
) -> None:
    """Also after a restart which hears the earlier clicks again, and over partitions, each with users of its own."""
    clicks, starts = visits(steps)
    parts = []
    for number in range(partitions):
        mine = [one for one in clicks if ord(one.user_id) % partitions == number]
        resumed = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=number)
        resumed.resume(counted(mine[:stopped_after], number).snapshot(top=100))
        again = [(one.user_id, one.item_id, one.timestamp, 0.0, None) for one in mine[:stopped_after]]
        resumed.add_all(again)
        for one in mine[stopped_after:]:
            resumed.observe(one, EventTypes.parse())
        parts.append(resumed.snapshot(top=100))
    merged = merge(parts, half_life_ms=HALF_LIFE, top=100)
    now = clicks[-1].timestamp
    for half_life, counts, total in (
        (HALF_LIFE, merged.start_counts, merged.start_total),
        (SLOW * HALF_LIFE, merged.slow_start_counts, merged.slow_start_total),
    ):
        expected = dict.fromkeys(merged.item_ids, 0.0)
        for one in starts:
            expected[one.item_id] += 0.5 ** ((now - one.timestamp) / half_life)
        assert dict(zip(merged.item_ids, counts, strict=True)) == pytest.approx(expected, rel=1e-9)
        assert total == pytest.approx(sum(expected.values()), rel=1e-9)


def test_another_half_life_forgets_neither_what_began_a_session_nor_who_clicked_last() -> None:
    before = counted([click("a", 0), click("b", GAP)])
    after = before.with_half_life(10 * HALF_LIFE)
    assert after.snapshot(top=9) == before.snapshot(top=9)
    after.observe(click("c", 2 * GAP), EventTypes.parse())
    assert dict(zip((found := after.snapshot(top=9)).item_ids, found.start_counts, strict=True))["c"] == 0


def shares(snapshot: PopularitySnapshot) -> dict[str, float]:
    rows = zip(snapshot.item_ids, snapshot.counts, snapshot.slow_counts, strict=True)
    return {item: fast / snapshot.total + slow / snapshot.slow_total for item, fast, slow in rows}


PLACED = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, 20_000), st.integers(0, 3)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(PLACED)
def test_the_service_lists_what_training_lists(placed: list[tuple[str, int, int]]) -> None:
    """Equal where no partition's list is full; which of two items that are level at the last place is left out may
    differ, since sums in another order are rounded otherwise."""
    clicks = [click(item, time) for item, time, _ in placed]
    parts = [[one for one, (_, _, part) in zip(clicks, placed, strict=True) if part == number] for number in range(4)]
    listed = max(len({one.item_id for one in part}) for part in parts)
    served = merge([counted(part).snapshot(top=listed) for part in parts], half_life_ms=HALF_LIFE, top=listed)
    trained = counted(clicks).snapshot(top=listed)
    everything = shares(counted(clicks).snapshot(top=100))
    level = [
        item for item, share in everything.items() if share == pytest.approx(shares(trained)[trained.item_ids[-1]])
    ]
    assert len(served.item_ids) == len(trained.item_ids)
    assert set(served.item_ids) - set(level) == set(trained.item_ids) - set(level)
    rows = {item: row for row, item in enumerate("abcdefghijkl", 1) if item not in level}
    known = torch.ones(13)
    now, then = realtime_of(served, rows), realtime_of(trained, rows)
    assert set(now.popular.tolist()) == set(then.popular.tolist())
    numbers = torch.arange(13)
    torch.testing.assert_close(now.features(numbers, known), then.features(numbers, known))


def test_what_is_spread_thinly_over_full_lists_may_be_missing() -> None:
    parts = [[click(name, 0) for name in [own] * 3 + ["everywhere"] * 2] for own in ("left", "right")]
    served = merge([counted(part).snapshot(top=1) for part in parts], half_life_ms=HALF_LIFE, top=1)
    assert counted([one for part in parts for one in part]).snapshot(top=1).item_ids == ["everywhere"]
    assert served.item_ids == ["left"]
    assert served.total == 10.0


def test_of_equals_the_one_seen_first_is_listed_whatever_the_order_of_arrival() -> None:
    at_once = [click(item, 4) for item in "dcbaabcd"]
    assert (
        counted(at_once[::-1]).snapshot(top=3).item_ids == counted(at_once).snapshot(top=3).item_ids == ["a", "b", "c"]
    )
    parts = [at_once[:3], at_once[3:]]
    assert merge([counted(p).snapshot(top=9) for p in parts], half_life_ms=1, top=3).item_ids == ["a", "b", "c"]


@settings(deadline=None)
@given(LOGS, st.integers(0, 40))
def test_a_restart_changes_nothing(clicks: list[Click], stopped_after: int) -> None:
    resumed = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    resumed.resume(counted(clicks[:stopped_after]).snapshot(top=100))
    for one in clicks[stopped_after:]:
        resumed.observe(one, EventTypes.parse())
    assert_counts(resumed.snapshot(top=100), clicks)


def test_a_restart_keeps_the_total_of_items_that_were_not_listed() -> None:
    clicks = [click("a", 0), click("a", 0), click("b", 0), click("c", 500)]
    resumed = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    whole = counted(clicks)
    resumed.resume(whole.snapshot(top=1))
    assert resumed.snapshot(top=10).item_ids == ["a"]
    assert resumed.snapshot(top=10).total == pytest.approx(whole.snapshot(top=10).total)
    assert resumed.snapshot(top=10).slow_total == pytest.approx(whole.snapshot(top=10).slow_total)


def test_years_with_a_half_life_of_a_second() -> None:
    day = 86_400_000
    clicks = [click(f"old{n % 3}", n * day) for n in range(1500)]
    clicks += [click("new", 1500 * day), click("new", 1500 * day + 1000), click("newer", 1500 * day + 2000)]
    snapshot = counted(clicks).snapshot(top=10)
    counts = dict(zip(snapshot.item_ids, snapshot.counts, strict=True))
    assert counts == pytest.approx({"newer": 1.0, "new": 0.75})
    assert snapshot.total == pytest.approx(1.75)


def test_sessions_that_begin_with_a_few_items_only() -> None:
    """All begin with the cover; each goes on with thousands of stories, of which the least popular are forgotten."""
    bounded = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0, most_bytes=3000 * ITEM_BYTES)
    for visit in range(4):
        items = ["cover", *(f"story {visit} {number}" for number in range(2500))]
        bounded.add_all([(f"u{visit}", item, visit, 1.0, None) for item in items])
    late = f"story 3 {2400}"
    bounded.add("somebody else", late, 5, weight=1.0)
    found = bounded.snapshot(top=2)
    assert found.item_ids == ["cover", late]
    fade = 0.5 ** (1 / HALF_LIFE)
    assert found.start_counts == pytest.approx([fade**5 + fade**4 + fade**3 + fade**2, 1.0])
    assert found.start_total == pytest.approx(sum(found.start_counts))
    one_by_one = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    for number in range(5000):
        one_by_one.add("u", f"i{number}", 0, weight=1.0)
    one_by_one.add("v", "i4999", 0, weight=1.0)
    assert one_by_one.snapshot(top=1).start_counts == [1.0]


def test_a_restart_keeps_the_totals_of_starts_that_were_not_listed() -> None:
    clicks = [msgspec.structs.replace(click(item, 0), user_id=item) for item in "aab"]
    resumed, whole = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0), counted(clicks)
    resumed.resume(whole.snapshot(top=1))
    for name in TOTALS:
        assert getattr(resumed.snapshot(top=9), name) == pytest.approx(getattr(whole.snapshot(top=9), name))


def test_more_items_than_the_arrays_began_with() -> None:
    clicks = [click(f"i{n:04}", 0) for n in range(3000)] + [click("i2999", 0)]
    snapshot = counted(clicks).snapshot(top=2)
    assert snapshot.item_ids[0] == "i2999"
    assert snapshot.counts == pytest.approx([2.0, 1.0])
    assert snapshot.total == pytest.approx(3001)


def test_only_the_top_are_listed_and_the_total_counts_all() -> None:
    clicks = [click(item, 0) for item in "aaabbc"]
    snapshot = counted(clicks, partition=4).snapshot(top=2)
    assert (snapshot.partition, snapshot.item_ids, snapshot.total) == (4, ["a", "b"], 6.0)


def test_a_faded_item_is_not_listed() -> None:
    assert counted([click("old", 0), click("new", 3_000_000)]).snapshot(top=9).item_ids == ["new"]


def test_an_action_adds_the_weight_of_its_type() -> None:
    purchase, view, shown = (click("a", 5, event_type=kind) for kind in ("purchase", "View ", "impression"))
    snapshot = counted([purchase, view, shown, click("b", 5, event_type="like")]).snapshot(top=9)
    assert dict(zip(snapshot.item_ids, snapshot.counts, strict=True)) == {"a": 6.0, "b": 1.0}


def test_the_end_of_a_session_is_no_click() -> None:
    popularity = counted([click("a", 0), click("end", 5000, event_type=SESSION_END)])
    assert_counts(popularity.snapshot(top=9), [click("a", 0)])


def test_the_newest_category_counts_and_must_be_a_string() -> None:
    clicks = [click("a", 0, category="jazz"), click("a", 1, category="opera"), click("a", 2), click("b", 3, category=7)]
    snapshot = counted(clicks).snapshot(top=9)
    assert dict(zip(snapshot.item_ids, snapshot.categories, strict=True)) == {"a": "opera", "b": ""}
    elsewhere = counted([click("b", 3, category="chess")], partition=1).snapshot(top=9)
    merged = merge([snapshot, elsewhere], half_life_ms=HALF_LIFE, top=9)
    assert dict(zip(merged.item_ids, merged.categories, strict=True)) == {"a": "opera", "b": "chess"}


def test_nothing_counted_is_an_empty_snapshot() -> None:
    for empty in (counted([]).snapshot(top=9), merge([], half_life_ms=HALF_LIFE, top=9)):
        assert (empty.item_ids, empty.total, empty.slow_total, empty.as_of) == ([], 0, 0, 0)


@settings(deadline=None)
@given(LOGS, st.lists(st.integers(0, 40), max_size=3), st.booleans())
def test_many_at_once_are_counted_like_one_by_one(clicks: list[Click], cuts: list[int], far: bool) -> None:
    """Also where the times are so far apart that the weights must be rescaled."""
    if far:
        clicks = [click(one.item_id, one.timestamp * 1000) for one in clicks]
    at_once = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    borders = [0, *sorted(cuts), len(clicks)]
    for begin, end in pairwise(borders):
        at_once.add_all([(one.user_id, one.item_id, one.timestamp, 1.0, None) for one in clicks[begin:end]])
    one_by_one = counted([one for begin, end in pairwise(borders) for one in clicks[begin:end]])
    found, expected = at_once.snapshot(top=100), one_by_one.snapshot(top=100)
    assert (found.item_ids, found.users, found.first_seen) == (expected.item_ids, expected.users, expected.first_seen)
    for name in (*COUNTS, *TOTALS):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_the_least_popular_items_are_forgotten_and_their_clicks_stay_in_the_totals() -> None:
    bounded = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0, most_bytes=100 * ITEM_BYTES)
    whole = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    most = 0
    for number in range(5000):
        for counts in (bounded, whole):
            counts.add(f"u{number}", f"cold {number}", number, weight=1.0)
            counts.add(f"u{number}", f"hot {number % 5}", number, weight=1.0, category=f"kind {number % 5}")
        most = max(most, len(bounded))
    assert 40 < most <= 101
    kept, all_of_them = bounded.snapshot(top=10), whole.snapshot(top=10)
    assert kept.item_ids[:5] == all_of_them.item_ids[:5]
    assert all(item.startswith("hot") for item in kept.item_ids[:5])
    for name in LISTS:
        assert getattr(kept, name)[:5] == getattr(all_of_them, name)[:5]
    for name in TOTALS:
        assert getattr(kept, name) == getattr(all_of_them, name)


def test_a_new_item_needs_users_and_a_known_one_does_not() -> None:
    counts = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=0)
    for number in range(90):
        counts.add("one user", "garbage", 5, weight=1.0)
        counts.add(f"u{number}", "new hit", 5, weight=1.0)
    counts.add("one user", "old", 5, weight=1.0)
    snapshot = counts.snapshot(top=10)
    found = established(snapshot, {"old"}, users=60)
    assert found.item_ids == ["new hit", "old"]
    assert (found.counts, found.total) == ([90.0, 1.0], snapshot.total)
    assert established(snapshot, {"old"}, users=1) == snapshot


@given(st.sets(st.text(min_size=1, max_size=4), max_size=59), st.integers(1, 3))
def test_fewer_users_never_pass_for_more_in_any_number_of_partitions(users: set[str], partitions: int) -> None:
    counts = [ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=number) for number in range(partitions)]
    for number, user in enumerate(sorted(users)[: least_bits(60) - 1]):
        counts[number % partitions].add(user, "i", 5, weight=1.0)
    merged = merge([one.snapshot(top=9) for one in counts], half_life_ms=HALF_LIFE, top=9)
    assert established(merged, (), users=60).item_ids == []


@pytest.mark.parametrize("users", [10, 60, 200, MOST])
@pytest.mark.parametrize("prefix", ["u", "customer-", "x"])
def test_so_many_users_are_told_from_fewer(users: int, prefix: str) -> None:
    bits, needed = 0, 0
    while bits.bit_count() < least_bits(users):
        bits |= user_bit(f"{prefix}{needed}")
        needed += 1
    assert needed == pytest.approx(users, rel=0.25, abs=3)


def test_an_item_that_is_not_listed_is_old_not_newborn() -> None:
    clicks = [click("listed", 0), click("listed", 1000)]
    now = realtime_of(counted(clicks).snapshot(top=1), {"listed": 1, "idle": 2})
    features = now.features(torch.arange(3), torch.ones(3))
    age = features[:, 2]
    assert age[1] < 0.01
    assert age[2] > 1


def test_what_begins_sessions_has_another_share_than_what_is_clicked_inside() -> None:
    """Half of the visits begin with the cover, all go on with the same story."""
    clicks = []
    for number in range(1000):
        for item, time in (("cover" if number % 2 else "story", 0), ("story", 1), ("story", 2)):
            clicks.append(msgspec.structs.replace(click(item, time), user_id=f"u{number}"))
    now = realtime_of(counted(clicks).snapshot(top=9), {"cover": 1, "story": 2})
    shares_of = {
        place: dict(zip(now.popular.tolist(), now.shares(place)[:, 0].tolist(), strict=True)) for place in Place
    }
    assert shares_of[Place.ANYWHERE][1] == pytest.approx(1 / 6, abs=0.01)
    assert shares_of[Place.INSIDE][1] == pytest.approx(0, abs=0.01)
    assert shares_of[Place.START][1] == pytest.approx(1 / 2, abs=0.03)
    assert now.clicks == pytest.approx((3000, 2000, 1000), rel=0.01)


def test_few_clicks_at_a_place_say_little() -> None:
    """One start among 100 clicks on two items: what begins sessions is still like what is clicked at all."""
    clicks = [msgspec.structs.replace(click("ab"[number % 2], 0), user_id="u") for number in range(100)]
    now = realtime_of(counted(clicks).snapshot(top=9), {"a": 1, "b": 2})
    assert now.shares(Place.START)[:, 0].tolist() == pytest.approx([0.5, 0.5], abs=0.02)
