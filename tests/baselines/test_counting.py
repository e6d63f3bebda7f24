"""The baselines against their definitions, recomputed from the whole log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.baselines import LastItemKnn, RecentPopularity
from mos_online.baselines import counting as baselines
from mos_online.contracts import SESSION_END, Click

HALF_LIFE = 1000.0
GAP = 3000
YEAR = 365 * 86_400_000


def clicks_of(steps: Sequence[tuple[str, str, int]]) -> list[Click]:
    """(user, item, ms since the click before) -> clicks in order of time."""
    made, now = [], 0
    for number, (user, item, step) in enumerate(steps):
        now += step
        kind = SESSION_END if item == SESSION_END else "click"
        made.append(Click(event_id=f"e{number}", user_id=user, item_id=item, timestamp=now, event_type=kind))
    return made


def logs(items: str, longest_step: int) -> st.SearchStrategy[list[Click]]:
    item = st.sampled_from([*items, SESSION_END])
    step = st.tuples(st.sampled_from("uvw"), item, st.integers(0, longest_step))
    return st.lists(step, min_size=1, max_size=60).map(clicks_of)


def decayed(clicks: Sequence[Click], half_life: float) -> dict[str, float]:
    acted = [click for click in clicks if click.event_type != SESSION_END]
    now = max((click.timestamp for click in acted), default=0)
    weights: dict[str, float] = {}
    for click in acted:
        age = (now - click.timestamp) / half_life
        weights[click.item_id] = weights.get(click.item_id, 0.0) + 0.5**age
    return weights


def assert_ranks(top: Sequence[str], weights: Mapping[str, float], k: int) -> None:
    """``top`` holds the k heaviest, heaviest first; weights that differ by rounding only may change places."""
    assert len(top) == len(set(top)) == min(k, len(weights))
    expected = sorted(weights.values(), reverse=True)[:k]
    assert [weights[item] for item in top] == pytest.approx(expected, rel=1e-9, abs=1e-80)


@settings(deadline=None)
@given(logs("abcdefgh", 1500), st.integers(1, 10))
def test_popularity_is_the_decayed_count(clicks: list[Click], k: int) -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for click in clicks:
        popularity.observe(click)
    assert_ranks(popularity.top(k), decayed(clicks, HALF_LIFE), k)


@settings(deadline=None)
@given(logs("abcdefghijkl", 1500))
def test_leaders_are_exact_when_there_are_more_items_than_places(clicks: list[Click]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "TRACKED", 4)
        patch.setattr(baselines, "SLACK", 2)
        popularity = RecentPopularity(half_life_ms=HALF_LIFE)
        for number, click in enumerate(clicks, 1):
            popularity.observe(click)
            assert_ranks(popularity.top(4), decayed(clicks[:number], HALF_LIFE), 4)


def test_an_item_comes_back_among_the_leaders_as_soon_as_it_is_ahead() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "TRACKED", 2)
        patch.setattr(baselines, "SLACK", 1)
        popularity = RecentPopularity(half_life_ms=1e12)
        for click in clicks_of([("u", item, 0) for item in "aaabbbcccc"]):
            popularity.observe(click)
    assert popularity.top(2) == ["c", "a"]


def test_equally_popular_items_are_ordered_by_id() -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for click in clicks_of([("u", "b", 0), ("u", "a", 0), ("u", "c", 0)]):
        popularity.observe(click)
    assert popularity.top(3) == ["a", "b", "c"]


@settings(deadline=None)
@given(logs("abcd", 150 * 1000))
def test_popularity_survives_hundreds_of_half_lives(clicks: list[Click]) -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for number, click in enumerate(clicks, 1):
        popularity.observe(click)
        assert_ranks(popularity.top(4), decayed(clicks[:number], HALF_LIFE), 4)


def test_the_item_that_is_clicked_while_weights_are_rescaled_does_not_stay_on_top() -> None:
    # 290 half-lives make the clock start anew, at a click of an item that already has a large weight.
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for click in clicks_of([("u", "x", 0), ("u", "x", 280_000), ("u", "x", 10_000), ("u", "y", 20_000)]):
        popularity.observe(click)
    assert popularity.top(2) == ["y", "x"]


def test_years_of_clicks_with_a_half_life_of_minutes() -> None:
    minute = 60_000
    popularity = RecentPopularity(half_life_ms=5 * minute)
    steps = [("u", f"old{n % 7}", 6 * 3_600_000) for n in range(4 * YEAR // (6 * 3_600_000))]
    steps += [("u", "second", minute), ("u", "first", 0), ("u", "first", minute), ("u", "third", -2 * minute)]
    clicks = clicks_of(steps)
    for click in clicks:
        popularity.observe(click)
    assert_ranks(popularity.top(10), decayed(clicks, 5 * minute), 10)
    assert popularity.top(2) == ["first", "second"]


def test_a_user_never_seen_gets_what_is_popular() -> None:
    fill = RecentPopularity(half_life_ms=HALF_LIFE)
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=HALF_LIFE, fill=fill)
    for click in clicks_of([("u", "a", 0), ("u", "b", 1), ("v", "b", 1)]):
        fill.observe(click)
        knn.observe(click)
    assert knn.top("nobody", 5) == ["b", "a"]


def test_knn_ranks_by_decayed_co_clicks_of_the_open_session() -> None:
    popular = RecentPopularity(half_life_ms=HALF_LIFE)
    knn = LastItemKnn(gap_ms=1000, half_life_ms=HALF_LIFE, fill=popular)
    log = [("u", "a", 0), ("u", "b", 100), ("v", "a", 4900), ("v", "c", 100), ("w", "d", 3900), ("w", "a", 100)]
    for click in clicks_of(log):
        popular.observe(click)
        knn.observe(click)
    assert knn.top("w", 3) == ["d", "c", "b"]  # the newest co-click counts most
    assert knn.top("w", 2, exclude=["d"]) == ["c", "b"]
    assert knn.top("u", 2) == popular.top(2)  # no open session


def co_clicks(clicks: Sequence[Click], user: str, *, window: int, resumes: bool = False) -> dict[str, float]:
    """Decayed co-clicks with the last item of the user's open session, by the definition.

    Without one, with that of the session before if ``resumes``, else none.
    """
    acted = [click for click in clicks if click.event_type != SESSION_END]
    latest = max((click.timestamp for click in acted), default=0)
    now = max((click.timestamp for click in clicks), default=0)
    together: dict[tuple[str, str], float] = {}
    last: str | None = None
    for name in {click.user_id for click in clicks}:
        session: list[Click] = []
        for click in (click for click in clicks if click.user_id == name):
            if click.event_type == SESSION_END:
                session = []
                continue
            if session and click.timestamp - session[-1].timestamp > GAP:
                session = []
            weight = 0.5 ** ((latest - click.timestamp) / HALF_LIFE)
            for other in {earlier.item_id for earlier in session[-window:]} - {click.item_id}:
                for pair in ((click.item_id, other), (other, click.item_id)):
                    together[pair] = together.get(pair, 0.0) + weight
            session.append(click)
        if name == user and session and now - session[-1].timestamp <= GAP:
            last = session[-1].item_id
        elif name == user and resumes:
            last = next((click.item_id for click in reversed(acted) if click.user_id == name), None)
    return {other: weight for (item, other), weight in together.items() if item == last}


@settings(deadline=None)
@given(logs("abcd", 150 * 1000))
def test_scores_of_popularity_are_decayed_counts(clicks: list[Click]) -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for number, click in enumerate(clicks, 1):
        popularity.observe(click)
        weights = decayed(clicks[:number], HALF_LIFE)
        expected = [weights.get(item, 0.0) for item in "abcdz"]
        assert popularity.score("anyone", list("abcdz")) == pytest.approx(expected, rel=1e-9, abs=1e-80)


@settings(deadline=None)
@given(logs("abcd", 2000) | logs("abcd", 150 * 1000), st.booleans())
def test_scores_of_knn_are_decayed_co_clicks(clicks: list[Click], resumes: bool) -> None:
    fill = RecentPopularity(half_life_ms=HALF_LIFE)
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=HALF_LIFE, fill=fill, window=3, resumes=resumes)
    for number, click in enumerate(clicks, 1):
        knn.observe(click)
        for user in "uvwx":
            weights = co_clicks(clicks[:number], user, window=3, resumes=resumes)
            expected = [weights.get(item, 0.0) for item in "abcdz"]
            assert knn.score(user, list("abcdz")) == pytest.approx(expected, rel=1e-9, abs=1e-80)


def test_nothing_has_a_score_before_the_first_click() -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=HALF_LIFE, fill=popularity)
    assert popularity.score("u", ["a", "b"]) == knn.score("u", ["a", "b"]) == [0.0, 0.0]


def assert_knn(clicks: Sequence[Click], user: str, k: int, exclude: Sequence[str] = ()) -> None:
    fill = RecentPopularity(half_life_ms=HALF_LIFE)
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=HALF_LIFE, fill=fill, window=3)
    for click in clicks:
        fill.observe(click)
        knn.observe(click)
    scores = {item: w for item, w in co_clicks(clicks, user, window=3).items() if item not in exclude}
    top = knn.top(user, k, exclude)
    near = min(k, len(scores))
    assert_ranks(top[:near], scores, k)
    assert top[near:] == [item for item in fill.top(100) if item not in {*top[:near], *exclude}][: k - near]


@settings(deadline=None)
@given(logs("abcdef", 2000), st.sampled_from("uvwx"), st.integers(1, 6), st.sets(st.sampled_from("abcdef"), max_size=3))
def test_knn_is_the_decayed_co_clicks_then_popularity(
    clicks: list[Click], user: str, k: int, exclude: set[str]
) -> None:
    assert_knn(clicks, user, k, sorted(exclude))


@settings(deadline=None)
@given(logs("abcd", 150 * 1000), st.sampled_from("uvw"))
def test_knn_survives_hundreds_of_half_lives(clicks: list[Click], user: str) -> None:
    assert_knn(clicks, user, 4)


@settings(deadline=None)
@given(logs("abcdefgh", 1500), st.sets(st.sampled_from("abcdefgh")))
def test_what_is_excluded_is_left_out_and_replaced(clicks: list[Click], exclude: set[str]) -> None:
    popularity = RecentPopularity(half_life_ms=HALF_LIFE)
    for click in clicks:
        popularity.observe(click)
    assert popularity.top(5, exclude) == [item for item in popularity.top(8) if item not in exclude][:5]


def test_equally_near_neighbours_are_ordered_by_id() -> None:
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=HALF_LIFE, fill=RecentPopularity(half_life_ms=HALF_LIFE))
    for click in clicks_of([("u", "c", 0), ("u", "a", 0), ("u", "b", 0), ("u", "last", 0)]):
        knn.observe(click)
    assert knn.top("u", 3) == ["a", "b", "c"]


def test_only_the_strongest_neighbours_are_kept() -> None:
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=1e12, fill=RecentPopularity(half_life_ms=1e12), neighbours=2)
    pairs = [(f"{item}{n}", seen) for n, item in enumerate("aabbcde") for seen in ("hub", item)]
    for click in clicks_of([(user, item, 1) for user, item in [*pairs, ("z", "hub")]]):
        knn.observe(click)
    assert knn.top("z", 10) == ["b", "a"]


def test_memory_is_bounded_and_the_heaviest_items_stay() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "REMEMBERED", 30)
        patch.setattr(baselines, "TRACKED", 5)
        patch.setattr(baselines, "SLACK", 2)
        popularity = RecentPopularity(half_life_ms=1e12)
        knn = LastItemKnn(gap_ms=GAP, half_life_ms=1e12, fill=popularity)
        steps = [
            step
            for n in range(500)
            for step in ((f"u{n}", "hub", 1), (f"u{n}", "spoke", 1), (f"u{n}", f"seen once {n}", 1))
        ]
        for click in clicks_of([*steps, ("z", "hub", 1)]):
            popularity.observe(click)
            knn.observe(click)
            assert len(popularity._weights) <= 60
            assert len(knn._together) <= 60
        assert popularity.top(2) == ["hub", "spoke"]
        assert knn.top("z", 1) == ["spoke"]


def test_of_sessions_that_may_be_resumed_the_newest_are_kept() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "REMEMBERED", 5)
        fill = RecentPopularity(half_life_ms=1e12)
        knn = LastItemKnn(gap_ms=GAP, half_life_ms=1e12, fill=fill, resumes=True)
        steps = [step for n in range(50) for step in ((f"u{n}", "a", GAP + 1), (f"u{n}", "b", 1))]
        for click in clicks_of(steps):
            knn.observe(click)
            assert len(knn._newest_session) <= 6
        assert [bool(knn.neighbours(f"u{n}")) for n in (0, 44, 45, 49)] == [False, False, True, True]


def test_ended_sessions_are_forgotten() -> None:
    knn = LastItemKnn(gap_ms=GAP, half_life_ms=1e12, fill=RecentPopularity(half_life_ms=1e12))
    for click in clicks_of([(f"u{n}", "a", 1000) for n in range(100)]):
        knn.observe(click)
        assert len(knn._newest_session) <= 1 + GAP // 1000
