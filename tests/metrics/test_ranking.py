"""Metrics by hand, intervals that know about users, judging before the label is known."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.metrics import (
    PrequentialJudge,
    clustered_mean,
    hit_rate,
    ndcg,
    paired_difference,
    reciprocal_rank,
)

VALUES = st.lists(st.tuples(st.floats(-10, 10), st.sampled_from("uvwxyz")), min_size=1, max_size=40)


def test_rank_gives_the_gain() -> None:
    ranking = ["a", "b", "c", "d"]
    assert [ndcg(ranking, item) for item in "abcd"] == pytest.approx([1, 0.63093, 0.5, 0.43068], abs=1e-5)
    assert [hit_rate(ranking, item) for item in "adz"] == [1, 1, 0]
    assert [reciprocal_rank(ranking, item) for item in "abcd"] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert ndcg(ranking, "z") == ndcg([], "a") == hit_rate([], "a") == reciprocal_rank(ranking, "z") == 0


@settings(deadline=None)
@given(VALUES)
def test_the_mean_is_the_plain_mean_inside_its_interval(rows: list[tuple[float, str]]) -> None:
    values, users = [value for value, _ in rows], [user for _, user in rows]
    estimate = clustered_mean(values, users)
    assert estimate.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert estimate.low <= estimate.mean <= estimate.high
    assert math.isinf(estimate.high) == (len(set(users)) == 1)


@settings(deadline=None)
@given(VALUES, st.randoms())
def test_the_order_of_requests_and_the_names_of_users_do_not_matter(
    rows: list[tuple[float, str]], random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    one = clustered_mean([value for value, _ in rows], [user for _, user in rows])
    other = clustered_mean([value for value, _ in shuffled], [f"user {ord(user)}" for _, user in shuffled])
    assert (other.mean, other.low, other.high) == pytest.approx((one.mean, one.low, one.high), abs=1e-9)


def test_one_request_a_user_gives_the_textbook_interval() -> None:
    values = np.random.default_rng(0).random(50)
    estimate = clustered_mean(values.tolist(), [f"u{n}" for n in range(50)])
    assert estimate.high - estimate.mean == pytest.approx(1.959964 * values.std(ddof=1) / math.sqrt(50))


def test_users_who_agree_with_themselves_make_it_wider() -> None:
    users = [f"u{n}" for n in range(20) for _ in range(10)]
    alike = [float(n % 2) for n in range(20) for _ in range(10)]
    mixed = [float(k % 2) for _ in range(20) for k in range(10)]
    assert clustered_mean(alike, users).mean == clustered_mean(mixed, users).mean == 0.5
    independent = clustered_mean(alike, [str(n) for n in range(200)])
    clustered = clustered_mean(alike, users)
    assert clustered.high - clustered.low > 3 * (independent.high - independent.low)
    assert clustered_mean(mixed, users).high == 0.5


def test_nothing_judged_has_no_mean() -> None:
    estimate = clustered_mean([], [])
    assert all(math.isnan(value) for value in (estimate.mean, estimate.low, estimate.high))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        requests = 1 + rng.poisson(4, 80)
        user = np.repeat(np.arange(80), requests)
        chance = np.repeat(rng.beta(2, 6, 80), requests)  # of a hit; its mean over users is 1/4
        estimate = clustered_mean((rng.random(len(user)) < chance).astype(float).tolist(), [str(u) for u in user])
        covered += estimate.low <= 0.25 <= estimate.high
    assert 0.9 <= covered / 300 <= 0.99


@pytest.fixture
def judge() -> PrequentialJudge:
    made = PrequentialJudge()
    made.ask("1", "u", "inside", {"mos": ["a", "b"], "knn": ["b", "a"], "popularity": ["c", "d"]})
    made.ask("2", "v", "inside", {"mos": ["a", "b"], "knn": ["b", "a"], "popularity": ["c", "b"]})
    made.ask("3", "v", "next", {"mos": ["a"], "knn": ["b"], "popularity": ["c"]})
    return made


def test_requests_without_a_label_do_not_count(judge: PrequentialJudge) -> None:
    assert judge.kinds == []
    judge.settle("never asked", "a")
    assert judge.kinds == []
    judge.settle("1", "a")
    judge.settle("1", "z")  # settled already
    assert judge.kinds == ["inside"]
    result = judge.result("inside")
    assert result.requests == 1
    assert result.hit_rate["mos"].mean == 1


def test_differences_are_of_the_first_and_paired_by_request(judge: PrequentialJudge) -> None:
    for number, item in (("2", "b"), ("1", "a"), ("3", "c")):
        judge.settle(number, item)
    result = judge.result("inside")
    assert judge.kinds == ["inside", "next"]
    assert {name: estimate.mean for name, estimate in result.hit_rate.items()} == {
        "mos": 1,
        "knn": 1,
        "popularity": 0.5,
    }
    assert set(result.ndcg_difference) == set(result.hit_rate_difference) == {"knn", "popularity"}
    second = 1 / math.log2(3)
    # mos: second on b, first on a. knn the other way round. popularity: second on b, nothing on a.
    assert result.ndcg_difference["knn"].mean == pytest.approx(0)
    assert result.ndcg_difference["knn"].high == pytest.approx(1.959964 * (1 - second))
    assert result.ndcg_difference["popularity"].mean == pytest.approx(0.5)
    assert result.hit_rate_difference["popularity"].mean == 0.5
    assert judge.result("next").hit_rate_difference["popularity"].mean == -1
    assert {name: estimate.mean for name, estimate in result.reciprocal_rank.items()} == {
        "mos": 0.75,
        "knn": 0.75,
        "popularity": 0.25,
    }


def test_a_paired_difference_is_narrower_than_two_means() -> None:
    rng = np.random.default_rng(3)
    users = [f"u{n}" for n in range(200)]
    easy = rng.random(200)
    first, other = (easy + 0.05 + 0.01 * rng.random(200)).tolist(), easy.tolist()
    difference = paired_difference(first, other, users)
    assert difference.low > 0
    assert difference.mean == pytest.approx(np.mean(first) - np.mean(other))
    assert clustered_mean(first, users).low < clustered_mean(other, users).high  # unpaired, nothing would be seen


def test_every_request_must_be_answered_by_all(judge: PrequentialJudge) -> None:
    with pytest.raises(ValueError, match="knn"):
        judge.ask("4", "u", "inside", {"mos": ["a"], "popularity": ["b"]})
