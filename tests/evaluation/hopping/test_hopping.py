from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from evaluation.hopping.analysis import Analysis, measure_hopping
from evaluation.hopping.by_time import GROUPS, nearest_of_others, timeline_groups
from evaluation.hopping.hop_rate import Hops, hop_rate
from evaluation.hopping.similarity import similarity
from evaluation.hopping.verdict import LEAST_ORDER
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

POPULATION = SyntheticConfig(users=300, themes=6, items_per_theme=20, themes_per_user=3, days=30, noise=0.05)


def measured(hop: float, *, events: pl.DataFrame | None = None) -> Analysis:
    data = population(hop)
    return measure_hopping(data.clicks if events is None else events, data.items, sessions=SessionConfig(), themes=6)


def population(hop: float) -> Dataset:
    return synthesize(
        SyntheticConfig(**{name: getattr(POPULATION, name) for name in POPULATION.__dataclass_fields__} | {"hop": hop})
    )


def with_items_of_a_user_shuffled(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("item_id").shuffle(seed=3).over("user_id"))


def test_the_planted_hop_rate_is_found_and_order_shows_on_the_right_side() -> None:
    sticky, restless = measured(0.1).figures, measured(0.8).figures
    assert sticky.hops.rate == pytest.approx(0.1, abs=0.06)
    assert restless.hops.rate == pytest.approx(0.8, abs=0.06)
    assert sticky.hops.difference.high < sticky.hops.beyond_time.high < -0.1
    assert restless.hops.difference.low > 0.02
    assert restless.hops.beyond_time.low > 0.02
    assert sticky.cosine.difference.high < 0.3 < restless.cosine.difference.low
    assert sticky.category
    assert restless.category
    assert sticky.category.inside > 0.85
    assert sticky.category.across > 0.7
    assert restless.category.across < 0.35


def test_a_log_whose_users_have_their_items_shuffled_has_neither_sessions_nor_order() -> None:
    figures = measured(0.3, events=with_items_of_a_user_shuffled(population(0.3).clicks)).figures
    for found in (figures.cosine, figures.category):
        assert found is not None
        assert abs(found.difference.mean) < 0.05
        assert found.inside == pytest.approx(found.random, abs=0.05)
    assert figures.hops.difference.low < 0.01
    assert figures.hops.difference.high > -0.01


def test_hops_by_hand() -> None:
    users = np.array(["b", "b", "b", "b", "a", "a", "c"])
    themes = np.array([1, 2, 1, 3, 5, 5, 4])
    hops, by_user = hop_rate(users, themes, np.arange(len(users)))
    assert (hops.pairs, hops.users) == (4, 2)
    assert hops.rate == pytest.approx(3 / 4)
    assert hops.returns == pytest.approx(1 / 3)  # back to 1; 2 and 3 are new
    assert by_user.sort("user_id")["user_id"].to_list() == ["a", "b"]
    assert by_user.sort("user_id")["rate"].to_list() == [0.0, 1.0]
    assert by_user.sort("user_id")["pairs"].to_list() == [1, 3]


def test_the_shuffled_rate_is_that_of_random_orders_within_users() -> None:
    """Of n sessions, n_k in theme k, two random ones differ with probability 1 - sum n_k (n_k - 1) / n (n - 1)."""
    users = np.repeat([f"u{number:03}" for number in range(400)], 5)
    themes = np.tile([1, 1, 1, 2, 2], 400)
    hops, _ = hop_rate(users, themes, np.arange(len(users)))
    assert hops.rate == 0.25
    assert hops.shuffled == pytest.approx(1 - (3 * 2 + 2 * 1) / 20, abs=0.01)
    assert 0 < hops.shuffled_sd < 0.02
    assert hops.returns == 0.0
    assert hops.returns_shuffled == pytest.approx(1 - 0.25 / hops.shuffled)


USERS, TOPICS, PERIODS = 1500, 6, 5


def timelines_of(
    *,
    order: float = 0.0,
    timeline: tuple[float, float] = (1.0, 1.0),
    fashion: float = 0.0,
    periods: int = PERIODS,
) -> Hops:
    """Users with 10 sessions each, half of them true to one topic.

    Args:
        order: how often a session keeps the topic of the one before: the only thing that is a user's own order.
        timeline: how long those who are true and the others are there, as a share of the log.
        fashion: share of the sessions that follow the fashion of a short period.
        periods: a theme is a topic of one of so many.
    """
    rng = np.random.default_rng(5)
    true = rng.random((USERS, 1)) < 0.5
    span = np.where(true, *timeline)
    times = rng.random((USERS, 1)) * (1 - span) + np.sort(rng.random((USERS, 10)), axis=1) * span
    liked = rng.integers(TOPICS, size=(USERS, 1))
    topic = np.where(rng.random((USERS, 10)) < np.where(true, 0.9, 0.1), liked, rng.integers(TOPICS, size=(USERS, 10)))
    fashions = rng.integers(TOPICS, size=20)[(times * 20).astype(np.int64)]
    topic = np.where(rng.random((USERS, 10)) < fashion, fashions, topic)
    for at in range(1, 10):
        kept = rng.random(USERS) < order
        topic[kept, at] = topic[kept, at - 1]
    themes = topic + TOPICS * (times * periods).astype(np.int64) + 1
    users = np.repeat([f"u{number:04}" for number in range(USERS)], 10)
    return hop_rate(users, themes.ravel(), (times * 1e6).astype(np.int64).ravel())[0]


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"timeline": (0.2, 1.0)},
        {"timeline": (1.0, 0.2)},
        {"fashion": 0.3, "periods": 1},
        {"fashion": 0.6, "periods": 1},
        {"fashion": 0.3},
    ],
)
def test_what_the_moment_explains_is_not_taken_for_the_order_of_a_user(world: dict[str, Any]) -> None:
    hops = timelines_of(**world)
    assert hops.rate < hops.shuffled
    assert abs(hops.beyond_time.mean) < LEAST_ORDER
    assert hops.rate - hops.by_time == pytest.approx(hops.beyond_time.mean)


def test_periods_alone_pull_the_rate_far_below_the_shuffled_one() -> None:
    assert timelines_of().difference.high < -0.1


@pytest.mark.parametrize("periods", [1, PERIODS])
def test_order_is_found_beside_periods_and_without_them(periods: int) -> None:
    hops = timelines_of(order=0.5, periods=periods)
    assert hops.beyond_time.mean < -LEAST_ORDER
    assert hops.beyond_time.high < 0


def test_other_users_alike_by_chance_explain_nothing() -> None:
    """Nobody ever agrees with another user: the expected rate is the shuffled one."""
    users = np.repeat([f"u{number:03}" for number in range(30)], 4)
    themes = np.repeat(np.arange(30) * 2, 4) + np.tile([1, 1, 2, 2], 30)
    hops, _ = hop_rate(users, themes, np.tile(np.arange(4), 30))
    assert hops.by_time == pytest.approx(hops.shuffled)


def test_one_user_cannot_be_compared_with_others() -> None:
    with pytest.raises(DatasetError, match="two users"):
        hop_rate(np.array(["u", "u", "u"]), np.array([1, 2, 1]), np.arange(3))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=2, max_size=20), st.integers(1, 6))
def test_the_nearest_sessions_of_others_are_nearest_and_of_others(sessions: list[tuple[int, int]], count: int) -> None:
    users, times = (np.array(part, np.int64) for part in zip(*sessions, strict=True))
    if len(set(users.tolist())) < 2:
        return
    for row, found in enumerate(nearest_of_others(users, times, count).tolist()):
        there = [at for at in found if at >= 0]
        assert found == there + [-1] * (count - len(there))
        assert len(set(there)) == len(there)
        assert all(users[at] != users[row] for at in there)
        others = np.sort(np.abs(times[users != users[row]] - times[row]))
        assert [abs(int(times[at] - times[row])) for at in there] == others[:count].tolist()


def test_timelines_are_grouped_by_their_length() -> None:
    users = np.repeat(np.arange(400), 2)
    times = np.stack([np.zeros(400), np.arange(400)], 1).astype(np.int64).ravel()
    groups = timeline_groups(users, times)
    assert (groups[::2] == groups[1::2]).all()
    assert (np.diff(groups) >= 0).all()
    assert np.bincount(groups).tolist() == [400 * 2 // GROUPS] * GROUPS
    assert set(timeline_groups(users[:60], times[:60]).tolist()) == {0}


@given(st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=8), min_size=2, max_size=6))
def test_returns_are_hops_to_a_theme_that_was_there_before(timelines: list[list[int]]) -> None:
    users = np.array([f"u{number}" for number, timeline in enumerate(timelines) for _ in timeline])
    hops, _ = hop_rate(users, np.array([theme for timeline in timelines for theme in timeline]), np.arange(len(users)))
    hopped = [
        (timeline[: at + 1], timeline[at + 1])
        for timeline in timelines
        for at in range(len(timeline) - 1)
        if timeline[at] != timeline[at + 1]
    ]
    assert hops.rate * hops.pairs == pytest.approx(len(hopped))
    if hopped:
        assert hops.returns == pytest.approx(sum(theme in before for before, theme in hopped) / len(hopped))


def timeline(*sessions: str, user: str = "u") -> pl.DataFrame:
    rows = [(user, f"{user}{number}", item) for number, items in enumerate(sessions) for item in items]
    return pl.DataFrame(rows, schema=["user_id", "session_id", "item_id"], orient="row")


def test_likeness_by_hand() -> None:
    """a and b point one way, c the other way round the corner; v has one session only and does not count."""
    events = pl.concat([timeline("abb", "ac"), timeline("ccc", user="v"), timeline("ab", "bc", user="w")])
    direction = {"a": (3.0, 0.0), "b": (0.6, 0.8), "c": (0.0, 1.0)}  # a's length must not matter
    found = similarity(events, sp.csr_matrix([direction[item] for item in events["item_id"]]))
    # u: ab | (bb is one item) | b-a across | ac; w: ab | (b-b across is one item) | bc
    assert (found.inside_pairs, found.across_pairs) == (4, 1)
    assert found.inside == pytest.approx((0.6 + 0.0 + 0.6 + 0.8) / 4)
    assert found.across == pytest.approx(0.6)
    # u, a b b a c: ab 4 times, ac twice, bc twice; w, a b b c: ab twice, ac once, bc twice
    of_u, of_w = (4 * 0.6 + 2 * 0.0 + 2 * 0.8) / 8, (2 * 0.6 + 0.0 + 2 * 0.8) / 5
    assert found.random == pytest.approx((4 * of_u + 3 * of_w) / 7)
    assert found.difference.mean == pytest.approx(found.inside - found.across)


def test_events_without_a_vector_are_left_out() -> None:
    events = timeline("axb", "bxa")
    direction = {"a": (1.0, 0.0), "b": (0.6, 0.8), "x": (0.0, 0.0)}
    with pytest.raises(DatasetError, match="2 pairs of different items inside sessions and 0 across"):
        similarity(events, sp.csr_matrix([direction[item] for item in events["item_id"]]))


def test_the_interval_widens_with_fewer_users() -> None:
    rng = np.random.default_rng(0)

    def width(users: int) -> float:
        timelines = [
            timeline(*("".join(rng.choice(list("abc"), 3)) for _ in range(3)), user=f"u{number:03}")
            for number in range(users)
        ]
        events = pl.concat(timelines)
        axes = {"a": 0, "b": 1, "c": 1}
        found = similarity(events, sp.csr_matrix(np.eye(2)[[axes[item] for item in events["item_id"]]]))
        assert found.difference.low < found.difference.mean < found.difference.high
        return found.difference.high - found.difference.low

    assert width(200) < 0.5 * width(20)


def test_extent_counts_what_is_in_the_log() -> None:
    data = population(0.5)
    figures = measured(0.5).figures
    extent = figures.extent
    events = data.clicks.group_by("user_id").len()["len"]
    assert (extent.users, extent.events) == (300, len(data.clicks))
    assert extent.sessions == data.clicks["session_id"].n_unique()  # planted pauses fit the default gap
    assert extent.events_per_user[2] == events.median()
    assert extent.over_20 == pytest.approx((events > 20).mean())
    per_user = data.clicks.group_by("user_id").agg(pl.len(), pl.col("session_id").n_unique())
    assert extent.long_histories == pytest.approx(
        len(per_user.filter(pl.col("len") > 20, pl.col("session_id") > 2)) / 300
    )
    assert extent.repeats == pytest.approx(1 - len(data.clicks.unique(["user_id", "item_id"])) / len(data.clicks))
    assert extent.new_items == 0.0
    assert 0.2 * 300 < figures.measured_users < 0.4 * 300


def test_items_that_appear_late_are_noticed() -> None:
    clicks = population(0.5).clicks
    half, tenth = len(clicks) // 2, len(clicks) // 10
    row = pl.int_range(pl.len())
    news = clicks.with_columns(
        pl.when((row >= half) & (row % 4 == 0)).then("new-" + pl.col("item_id")).otherwise("item_id").alias("item_id")
    )
    found = measured(0.5, events=news).figures.extent.new_items
    assert found == pytest.approx(0.25, abs=1 / tenth)


def test_a_long_log_keeps_whole_users_and_says_how_many() -> None:
    data = population(0.5)
    figures = measure_hopping(
        data.clicks, data.items, sessions=SessionConfig(), themes=6, most_events=len(data.clicks) // 2
    ).figures
    assert figures.kept_users == pytest.approx(0.5, abs=0.01)
    assert 110 < figures.extent.users < 190
    per_user = data.clicks.group_by("user_id").len()["len"]
    assert figures.extent.events_per_user[2] == pytest.approx(float(per_user.median()), rel=0.2)  # type: ignore[arg-type]


def test_a_short_log_is_refused_with_its_numbers() -> None:
    data = synthesize(SyntheticConfig(users=10, sessions_per_user=1, events_per_session=2))
    with pytest.raises(DatasetError, match=r"too short for themes: \d+ users, \d+ events"):
        measure_hopping(data.clicks, data.items, sessions=SessionConfig())


def test_a_log_whose_users_never_return_is_refused() -> None:
    data = population(0.5)
    once = data.clicks.with_columns(pl.col("session_id").alias("user_id"))
    with pytest.raises(DatasetError, match=r"0 of the .* have two sessions with a theme"):
        measure_hopping(once, data.items, sessions=SessionConfig())
