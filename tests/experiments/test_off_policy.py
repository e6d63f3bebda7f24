"""Exploration has the probabilities that are documented, and the estimate is right on average; lists of two teams."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from mos_online.experiments.examination import estimated, examination
from mos_online.experiments.exploration import explore
from mos_online.experiments.interleaving import preference, preferred, team_draft
from mos_online.experiments.off_policy import Logged, value_of

K, N, EPSILON = 3, 6, 0.3
THETA = np.array([1.0, 2**-0.8, 3**-0.8])
TASTE = np.array([0.30, 0.25, 0.20, 0.35, 0.10, 0.05])
"""How much the candidates attract, by their rank in what is shown."""


def test_explored_slots_and_items_have_their_probabilities() -> None:
    ranked = [f"i{rank}" for rank in range(N)]
    places: Counter[tuple[int, str]] = Counter()
    many = 20_000
    for number in range(many):
        shown = explore(f"r{number}", ranked, K, EPSILON)
        assert len(set(shown.items)) == K
        assert (shown.slot is None) == (shown.items == ranked[:K])
        places.update(enumerate(shown.items))
    for place in range(K):
        expected = {ranked[place]: 1 - EPSILON / K} | dict.fromkeys(ranked[K:], EPSILON / (K * (N - K)))
        for item, share in expected.items():
            assert abs(places[place, item] - many * share) < 5 * (many * share * (1 - share)) ** 0.5


@given(st.text(max_size=5), st.lists(st.text(max_size=2), unique=True, max_size=6), st.integers(1, 8))
def test_an_answer_is_the_same_when_it_is_asked_again(request_id: str, ranked: list[str], k: int) -> None:
    assert explore(request_id, ranked, k, 0.5) == explore(request_id, ranked, k, 0.5)
    assert explore(request_id, ranked, k, 0.0).items == ranked[:k]
    if len(ranked) <= k:
        assert explore(request_id, ranked, k, 1.0).items == ranked


def _part(logged: Logged, start: int, end: int) -> Logged:
    rows = slice(start, end)
    return logged._replace(shown=logged.shown[rows], clicked=logged.clicked[rows], users=logged.users[rows])


def _expected(ranking: list[int]) -> float:
    """The estimate's expectation, by all lists that can be shown."""
    shown, likely = [list(range(K))], [1 - EPSILON]
    for place in range(K):
        for other in range(K, N):
            shown.append([other if p == place else p for p in range(K)])
            likely.append(EPSILON / (K * (N - K)))
    lists = np.array(shown)
    logged = Logged(lists, THETA * TASTE[lists], np.arange(len(lists)), N, EPSILON)
    worth = [value_of(_part(logged, i, i + 1), np.array([ranking]), THETA).mean for i in range(len(lists))]
    return float(np.dot(likely, worth))


@given(st.permutations(range(N)))
def test_the_estimate_is_right_on_average_for_any_ranking(order: list[int]) -> None:
    ranking = list(order[:K])
    assert _expected(ranking) == pytest.approx(float((THETA * TASTE[ranking]).sum()))


def _simulated(answers: int, epsilon: float = EPSILON) -> Logged:
    draw = np.random.default_rng(5)
    ranked = [str(rank) for rank in range(N)]
    shown = np.array([[int(i) for i in explore(f"q{n}", ranked, K, epsilon).items] for n in range(answers)])
    clicked = (draw.random(shown.shape) < THETA * TASTE[shown]).astype(float)
    return Logged(shown, clicked, np.arange(answers) // 2, N, epsilon)


def test_the_examination_curve_and_a_better_ranking_are_found() -> None:
    logged = _simulated(60_000)
    examined = examination(logged)
    assert examined.theta(K) == pytest.approx(THETA, abs=0.05)
    better = np.broadcast_to(np.array([3, 0, 1]), logged.shown.shape)
    found, known = estimated(logged, better, examined), value_of(logged, better, examined.theta(K))
    assert (found.low < known.low, found.high > known.high) == (True, True), "the curve is not known exactly"
    truth = float((THETA * TASTE[[3, 0, 1]]).sum())
    assert found.refused is None
    assert found.low < truth < found.high
    assert found.band[0] < found.mean < found.band[1]
    assert found.low > logged.clicked.sum(1).mean()


def test_the_curve_is_found_within_its_error() -> None:
    """In 40 logs the error is about as large as it says."""
    off = []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        shown = draw.integers(0, N, (3_000, 8))  # only that a place is explored, and clicked, matters
        clicked = (draw.random(shown.shape) < 0.3 * np.arange(1, 9) ** -0.7).astype(float)
        found = examination(Logged(shown + 5, clicked, np.arange(3_000), N + 5, 0.5))
        off.append((found.steepness - 0.7) / found.error)
    assert abs(np.mean(off)) < 0.5
    assert 0.7 < np.std(off) < 1.3


def test_what_cannot_be_known_is_refused() -> None:
    logged = _simulated(2_000)
    outside = np.broadcast_to(np.array([0, 1, -1]), logged.shown.shape)
    assert "no candidates" in str(value_of(logged, outside, THETA).refused)
    few = _part(logged, 0, 500)
    assert "1,000 are needed" in str(value_of(few, outside[:500], THETA).refused)
    same = np.broadcast_to(np.arange(K), logged.shown.shape)
    alone = logged._replace(users=np.zeros(len(logged.users), int))
    assert value_of(alone, same, THETA).mean == value_of(logged, same, THETA).mean
    with pytest.raises(DatasetError, match="log more explored answers"):
        value_of(logged, same, np.array([1.0, np.nan, 0.3]))
    with pytest.raises(DatasetError, match="at least 50 are needed"):
        examination(few)
    with pytest.raises(DatasetError, match="nothing was explored"):
        value_of(logged._replace(epsilon=0.0), same, THETA)


@given(st.text(max_size=4), st.permutations("abcdef"), st.permutations("defghi"), st.integers(0, 12))
def test_teams_pick_their_best_in_turn(request_id: str, first: list[str], second: list[str], k: int) -> None:
    items, teams = team_draft(request_id, first, second, k)
    assert len(items) == len(set(items)) == len(teams) == min(k, 9)
    for place, (item, team) in enumerate(zip(items, teams, strict=True)):
        ranking = first if team == "a" else second
        assert item == next(other for other in ranking if other not in items[:place])
    both = min(len(items), 6)
    assert abs(teams[:both].count("a") - teams[:both].count("b")) <= 1


def test_equal_rankings_are_preferred_equally_and_either_begins() -> None:
    begins = [team_draft(f"r{n}", "abc", "abc", 3).teams[0] for n in range(1_000)]
    assert 400 < begins.count("a") < 600
    assert preference(["a", "b", "a"], [0, 2]) == 1.0
    assert preference(["a", "b", "a"], [0, 1]) == preference(["a"], []) == 0.0


def test_a_preference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(5)
    none = [preferred(rng.choice([-1.0, 0.0, 1.0], 1_000).tolist(), expected=1_000) for _ in range(40)]
    assert sum(one.sure_after is not None for one in none) <= 4
    found = preferred(rng.choice([-1.0, 1.0], 1_000, p=[0.4, 0.6]).tolist(), expected=1_000)
    assert found.sure_after is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.2 < found.high
    assert found.for_a + found.for_b == found.users == 1_000
    assert preferred([1.0] * 399, expected=1_000).low is None
