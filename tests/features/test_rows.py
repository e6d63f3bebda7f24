from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.rows import popularity_of, popularity_row, profile_of, profile_row, stored_mark
from mos_online.errors import StoreError
from mos_online.items.popularity import PopularitySnapshot
from mos_online.users.profile import Ring, UserProfile

IDS = st.text(min_size=1, max_size=12).filter(lambda s: s.isprintable())
TIMES = st.integers(0, 253_402_300_799_999)
RINGS = st.lists(st.tuples(IDS, TIMES), max_size=6).map(lambda r: Ring([i for i, _ in r], [t for _, t in r]))
FLOATS = st.lists(st.floats(-1, 1, width=32), max_size=4)
PROFILES = st.builds(
    UserProfile,
    user_id=IDS,
    router_version=IDS,
    recent=RINGS,
    themes=st.dictionaries(st.integers(1, 9), RINGS, max_size=4),
    theme_sessions=st.dictionaries(st.integers(0, 9), st.integers(1, 2**40), max_size=4),
    sessions=st.integers(0, 2**40),
    last_ended_at=st.integers(-1, 253_402_300_799_999),
    last_closed_at=st.integers(-1, 253_402_300_799_999),
    last_session_id=st.text(max_size=20),
    embedding=FLOATS,
    theme_weights=FLOATS,
)


@given(PROFILES)
def test_a_profile_survives_the_row(profile: UserProfile) -> None:
    _, values, _, _ = profile_row(profile)
    assert profile_of(profile.user_id, values) == profile
    assert stored_mark(values) == (profile.last_closed_at, profile.last_session_id)


@given(st.lists(st.tuples(IDS, st.floats(0, 1e9), TIMES, st.text(max_size=5)), max_size=5), TIMES)
def test_a_popularity_snapshot_survives_the_row(items: list[tuple[str, float, int, str]], as_of: int) -> None:
    snapshot = PopularitySnapshot(
        partition=3,
        as_of=as_of,
        total=as_of / 7,
        slow_total=as_of / 3,
        item_ids=[i for i, _, _, _ in items],
        counts=[c for _, c, _, _ in items],
        slow_counts=[c / 3 for _, c, _, _ in items],
        first_seen=[t for _, _, t, _ in items],
        categories=[c for _, _, _, c in items],
    )
    assert popularity_of(3, popularity_row(snapshot)[1]) == snapshot


@given(PROFILES)
def test_every_feature_is_set_even_when_empty(profile: UserProfile) -> None:
    assert all(value.WhichOneof("val") for value in profile_row(profile)[1].values())


def test_a_row_without_a_feature_is_refused_with_the_remedy() -> None:
    _, values, _, _ = profile_row(UserProfile(user_id="ann", router_version="r"))
    del values["sessions"]
    with pytest.raises(StoreError, match=r"'ann'.*'sessions' is missing.*mos backfill"):
        profile_of("ann", values)


def test_rings_that_do_not_add_up_are_refused() -> None:
    _, values, _, _ = profile_row(UserProfile(user_id="ann", router_version="r", themes={1: Ring(["a"], [1])}))
    values["theme_lengths"].int64_list_val.val[0] = 2
    with pytest.raises(StoreError, match="theme_lengths add up to 2, theme_items has 1"):
        profile_of("ann", values)


def test_a_row_without_a_mark_can_be_replaced() -> None:
    assert stored_mark({}) == (-1, "")
