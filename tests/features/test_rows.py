from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.co_click_rows import co_click_row, co_clicks_of
from features.fast_weights import fast_weights_of
from features.rows import COMPARED, Value, compared_values, popularity_of, popularity_row, profile_of, profile_row
from mos_online.errors import StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights
from mos_online.users.profile import UserProfile

IDS = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=12)
TIMES = st.integers(0, 253_402_300_799_999)
FLOATS = st.lists(st.floats(-1, 1, width=32), max_size=4)
EVENTS = st.tuples(IDS, TIMES, st.none() | st.sampled_from(["", "news", "0", "jazz"]))
KEYS = st.integers(-(2**63), 2**63 - 1)
SESSIONS = st.tuples(st.lists(EVENTS, min_size=1, max_size=4), st.integers(0, 9), KEYS, TIMES)


@st.composite
def profiles(draw: st.DrawFn) -> UserProfile:
    sessions = draw(st.lists(SESSIONS, max_size=5))
    events = [event for kept, *_ in sessions for event in kept]
    return UserProfile(
        user_id=draw(IDS),
        item_ids=[item for item, _, _ in events],
        timestamps=[time for _, time, _ in events],
        categories=[category for _, _, category in events],
        session_lengths=[len(kept) for kept, *_ in sessions],
        session_themes=[theme for _, theme, _, _ in sessions],
        session_keys=[key for _, _, key, _ in sessions],
        session_closes=[closes for _, _, _, closes in sessions],
        session_count=draw(st.integers(0, 2**40)),
        last_ended_at=draw(st.integers(-1, 253_402_300_799_999)),
        last_closed_at=draw(st.integers(-1, 253_402_300_799_999)),
        last_session_id=draw(st.text(max_size=20)),
        router_epoch=draw(st.text(max_size=12)),
        theme_sessions=draw(st.dictionaries(st.integers(0, 9), st.integers(1, 2**40), max_size=4)),
        embedding=draw(FLOATS),
        theme_weights=draw(FLOATS),
    )


ANN = UserProfile(
    user_id="ann",
    item_ids=["a", "b", "c"],
    timestamps=[1, 2, 3],
    categories=["news", None, "news"],
    session_lengths=[1, 2],
    session_themes=[1, 0],
    session_keys=[11, 12],
    session_closes=[5, 6],
)


@given(profiles())
def test_a_profile_survives_the_row(profile: UserProfile) -> None:
    _, values, _, _ = profile_row(profile)
    assert profile_of(profile.user_id, values) == profile
    assert {name: values[name] for name in COMPARED} == compared_values(profile)


@given(st.lists(st.tuples(IDS, st.floats(0, 1e9), TIMES, st.text(max_size=5)), max_size=5), TIMES)
def test_a_popularity_snapshot_survives_the_row(items: list[tuple[str, float, int, str]], as_of: int) -> None:
    snapshot = PopularitySnapshot(
        partition=3,
        as_of=as_of,
        total=as_of / 7,
        slow_total=as_of / 3,
        start_total=as_of / 13,
        slow_start_total=as_of / 11,
        item_ids=[i for i, _, _, _ in items],
        counts=[c for _, c, _, _ in items],
        slow_counts=[c / 3 for _, c, _, _ in items],
        start_counts=[c / 5 for _, c, _, _ in items],
        slow_start_counts=[c / 9 for _, c, _, _ in items],
        first_seen=[t for _, _, t, _ in items],
        categories=[c for _, _, _, c in items],
        users=[(1 << 255) | t for _, _, t, _ in items],
        log_id="a log",
        counted_to=as_of,
        read_to=7,
    )
    assert popularity_of(3, popularity_row(snapshot)[1]) == snapshot


@given(profiles())
def test_every_feature_is_set_even_when_empty(profile: UserProfile) -> None:
    assert all(value.WhichOneof("val") for value in profile_row(profile)[1].values())


def test_categories_are_stored_once_each() -> None:
    _, values, _, _ = profile_row(ANN)
    assert list(values["category_names"].string_list_val.val) == ["news"]
    assert list(values["category_codes"].int64_list_val.val) == [1, 0, 1]


def test_a_row_without_a_feature_is_refused() -> None:
    _, values, _, _ = profile_row(ANN)
    del values["session_count"]
    with pytest.raises(StoreError, match=r"'ann'.*'session_count' is missing.*another version"):
        profile_of("ann", values)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("session_lengths", "session_lengths add up to 10"),
        ("timestamps", "session_lengths add up to 3"),
        ("session_themes", "must be equally long"),
        ("session_keys", "must be equally long"),
        ("session_closes", "must be equally long"),
        ("category_codes", "a code above 1"),
    ],
)
def test_lists_that_do_not_fit_together_are_refused(feature: str, message: str) -> None:
    _, values, _, _ = profile_row(ANN)
    values[feature].int64_list_val.val.append(7)
    with pytest.raises(StoreError, match=message):
        profile_of("ann", values)


def test_an_empty_session_is_refused() -> None:
    _, values, _, _ = profile_row(ANN)
    values["session_lengths"].int64_list_val.val.append(0)
    for feature in ("session_themes", "session_keys", "session_closes"):
        values[feature].int64_list_val.val.append(0)
    with pytest.raises(StoreError, match="each length at least 1"):
        profile_of("ann", values)


SNAPSHOT = PopularitySnapshot(
    partition=3,
    as_of=7,
    total=2.0,
    slow_total=2.0,
    start_total=1.0,
    slow_start_total=1.0,
    item_ids=["a"],
    counts=[1.0],
    slow_counts=[1.0],
    start_counts=[0.5],
    slow_start_counts=[0.25],
    first_seen=[5],
    categories=[""],
    users=[1],
)


@pytest.mark.parametrize("feature", sorted(popularity_row(SNAPSHOT)[1]))
def test_popularity_without_a_feature_is_refused(feature: str) -> None:
    _, values, _, _ = popularity_row(SNAPSHOT)
    del values[feature]
    with pytest.raises(StoreError, match=f"partition 3 .*'{feature}' is missing"):
        popularity_of(3, values)


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -1.0])
def test_popularity_that_is_no_count_is_refused(total: float) -> None:
    _, values, _, _ = popularity_row(msgspec.structs.replace(SNAPSHOT, total=total))
    with pytest.raises(StoreError, match="finite numbers"):
        popularity_of(3, values)


def test_lists_of_popularity_that_differ_in_length_are_refused() -> None:
    _, values, _, _ = popularity_row(msgspec.structs.replace(SNAPSHOT, counts=[1.0, 2.0]))
    with pytest.raises(StoreError, match="equally long"):
        popularity_of(3, values)


CO_CLICKS = CoClickSnapshot(
    partition=3,
    as_of=7,
    item_ids=["a", "b"],
    lengths=b"\x01\0\0\0\0\0\0\0",
    neighbours=b"\x01\0\0\0",
    weights=b"\0\0\x80\x3f",
    log_id="a log",
    counted_to=9,
    read_from=2,
)


def test_co_clicks_survive_the_row_and_mean_numbers() -> None:
    _, values, _, _ = co_click_row(CO_CLICKS)
    assert co_clicks_of(3, values) == CO_CLICKS
    assert [column.tolist() for column in CO_CLICKS.columns()] == [[1, 0], [1], [1.0]]


@pytest.mark.parametrize("feature", sorted(co_click_row(CO_CLICKS)[1]))
def test_co_clicks_without_a_feature_are_refused(feature: str) -> None:
    _, values, _, _ = co_click_row(CO_CLICKS)
    del values[feature]
    with pytest.raises(StoreError, match=f"partition 3 .*'{feature}'"):
        co_clicks_of(3, values)


def test_co_clicks_that_are_damaged_are_refused() -> None:
    _, values, _, _ = co_click_row(msgspec.structs.replace(CO_CLICKS, neighbours=b"\x05\0\0\0"))
    with pytest.raises(StoreError, match="partition 3 are damaged: neighbour 5"):
        co_clicks_of(3, values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"weights": Value(bytes_val=b"")},
        {"weights": Value(bytes_val=b'{"arm":"champion"}')},
        {"weights": Value(bytes_val=FastWeights(arm="other", as_of=1, models={}).encoded())},
    ],
)
def test_fast_weights_that_are_damaged_or_of_another_arm_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="champion"):
        fast_weights_of("champion", values)
