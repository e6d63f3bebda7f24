"""Metrics of click prediction against their definitions, pair by pair and bin by bin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from mos_online.arrays import Floats
from mos_online.errors import DatasetError
from mos_online.metrics.ctr import (
    PlattScaling,
    auc,
    expected_calibration_error,
    gauc,
    group_auc,
    log_loss,
    user_aucs,
)

SCORE = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.sampled_from([math.inf, -math.inf]))
ROWS = st.lists(st.tuples(st.booleans(), SCORE, st.sampled_from("uvwxyz")), max_size=40)
CHANCE = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))
FORECASTS = st.lists(st.tuples(st.booleans(), CHANCE), min_size=1, max_size=40)

Row = tuple[bool, float, str]


def beaten(positive: float, negative: float) -> float:
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def auc_of_pairs(rows: Sequence[Row]) -> float:
    pairs = [beaten(p, n) for clicked, p, _ in rows if clicked for other, n, _ in rows if not other]
    return sum(pairs) / len(pairs) if pairs else math.nan


def columns(rows: Sequence[Row]) -> tuple[list[bool], list[float], list[str]]:
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


@settings(deadline=None)
@given(ROWS)
def test_auc_is_the_share_of_pairs_in_order(rows: list[Row]) -> None:
    labels, scores, _ = columns(rows)
    assert auc(labels, scores) == pytest.approx(auc_of_pairs(rows), rel=1e-12, nan_ok=True)
    assert auc(np.array(labels, np.int8), scores) == pytest.approx(auc(labels, scores), nan_ok=True)


@settings(deadline=None)
@given(ROWS)
def test_user_aucs_are_the_auc_of_each_users_rows(rows: list[Row]) -> None:
    labels, scores, users = columns(rows)
    own = {user: [row for row in rows if row[2] == user] for user in sorted(set(users))}
    expected = {user: auc_of_pairs(mine) for user, mine in own.items() if not math.isnan(auc_of_pairs(mine))}
    names, aucs, impressions = user_aucs(labels, scores, users)
    assert names.tolist() == list(expected)
    assert aucs.tolist() == pytest.approx(list(expected.values()), rel=1e-12)
    assert impressions.tolist() == [len(own[user]) for user in expected]
    total = sum(len(own[user]) for user in expected)
    mean = sum(len(own[user]) * value for user, value in expected.items()) / total if total else math.nan
    assert gauc(labels, scores, users) == pytest.approx(mean, rel=1e-12, nan_ok=True)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: Random) -> None:
    labels, scores, users = columns(rows)
    mixed, mixed_scores, mixed_users = columns(random.sample(rows, len(rows)))
    np.testing.assert_array_equal(auc(labels, scores), auc(mixed, mixed_scores))
    np.testing.assert_array_equal(gauc(labels, scores, users), gauc(mixed, mixed_scores, mixed_users))


def test_by_hand() -> None:
    assert auc([1, 1, 0, 0], [3.0, 1.0, 2.0, 1.0]) == (1 + 1 + 0 + 0.5) / 4
    assert auc([0, 1], [7.0, 7.0]) == 0.5
    assert math.isnan(auc([1, 1], [0.0, 1.0]))
    assert math.isnan(auc([0], [0.0]))
    assert math.isnan(auc([], []))
    # u: AUC 1 on 2 impressions, v: 0 on 3; w never clicks, x always: they say nothing
    users = ["u", "v", "w", "u", "v", "v", "x", "w"]
    labels = [1, 1, 0, 0, 0, 0, 1, 0]
    assert gauc(labels, [2.0, 0.0, 9.0, 1.0, 1.0, 5.0, -9.0, 8.0], users) == pytest.approx(2 / 5)
    assert math.isnan(gauc([1, 1, 0], [0.0, 1.0, 2.0], ["u", "u", "v"]))


def test_gauc_ignores_what_differs_between_users() -> None:
    rng = np.random.default_rng(0)
    users, labels, scores = rng.integers(50, size=2000), rng.random(2000) < 0.3, rng.normal(size=2000)
    shifted = scores + 100.0 * users
    assert gauc(labels, np.round(shifted, 6), users) == pytest.approx(gauc(labels, np.round(scores, 6), users))
    assert auc(labels, scores) != pytest.approx(auc(labels, shifted), abs=1e-4)


def test_many_rows_are_counted_exactly() -> None:
    """10^10 pairs: more than float32 or int32 can count."""
    scores = np.repeat(np.arange(100_000.0), 2)
    labels = np.tile([1, 0], 100_000)
    assert auc(labels, scores) == 0.5
    assert auc(labels, scores + 0.5 * labels) == (100_000 * 99_999 / 2 + 100_000) / 100_000**2


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda m: st.lists(st.lists(SCORE, min_size=m + 1, max_size=m + 1), min_size=1)))
def test_group_auc_is_the_auc_of_each_request(scores: list[list[float]]) -> None:
    negatives = len(scores[0]) - 1
    expected = [auc([1] + [0] * negatives, row) for row in scores]
    assert group_auc(scores).tolist() == pytest.approx(expected, rel=1e-12)
    assert group_auc(np.array(scores)).dtype == np.float64


@settings(deadline=None)
@given(FORECASTS, st.integers(1, 12))
def test_calibration_is_that_of_its_definition(rows: list[tuple[bool, float]], bins: int) -> None:
    labels, chances = [row[0] for row in rows], [row[1] for row in rows]
    likelihoods = [min(max(p if y else 1 - p, 1e-7), 1 - 1e-7) for y, p in rows]
    assert log_loss(labels, chances) == pytest.approx(-sum(map(math.log, likelihoods)) / len(rows), abs=1e-12)

    gaps: dict[int, float] = {}
    for clicked, chance in rows:
        place = sum(other < chance for other in chances) * bins // len(rows)
        gaps[place] = gaps.get(place, 0.0) + chance - clicked
    expected = sum(map(abs, gaps.values())) / len(rows)
    assert expected_calibration_error(labels, chances, bins) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(FORECASTS, st.randoms())
def test_the_order_of_forecasts_does_not_matter(rows: list[tuple[bool, float]], random: Random) -> None:
    mixed = random.sample(rows, len(rows))
    one, other = ([row[0] for row in part] for part in (rows, mixed))
    assert expected_calibration_error(one, [row[1] for row in rows]) == pytest.approx(
        expected_calibration_error(other, [row[1] for row in mixed]), abs=1e-12
    )


def test_bins_hold_equally_many() -> None:
    """The four lowest promise too little, the four highest too much; in one bin of all, the two partly cancel."""
    labels, chances = [0, 1, 1, 0, 1, 0, 1, 1], [0.71, 0.72, 0.65, 0.72, 0.01, 0.02, 0.5, 0.27]
    low, high = 0.01 + 0.02 + 0.5 + 0.27 - 3, 0.71 + 0.72 + 0.65 + 0.72 - 2
    assert expected_calibration_error(labels, chances, bins=2) == pytest.approx((abs(low) + abs(high)) / 8)
    assert expected_calibration_error(labels, chances, bins=1) == pytest.approx(abs(low + high) / 8)
    assert math.isnan(expected_calibration_error([], []))
    assert math.isnan(log_loss([], []))


LOGITS = st.one_of(st.integers(-3, 3).map(float), st.floats(-30, 30), st.floats(-1e4, 1e4))
BOTH = st.lists(st.tuples(st.booleans(), LOGITS), min_size=2, max_size=60).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)


def platt_targets(labels: NDArray[np.bool_]) -> Floats:
    clicks = int(labels.sum())
    return np.array([(clicks + 1) / (clicks + 2) if label else 1 / (len(labels) - clicks + 2) for label in labels])


@settings(deadline=None, max_examples=300)
@given(BOTH)
def test_platt_scaling_is_the_maximum_of_the_likelihood(rows: list[tuple[bool, float]]) -> None:
    """The likelihood is concave: where both derivatives vanish is its maximum."""
    labels, logits = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scaling = PlattScaling.fit(labels, logits)
    left = scaling.apply(logits) - platt_targets(labels)
    assert abs(left.mean()) < 1e-7
    assert abs((left * (logits - logits.mean())).mean()) < 1e-7 * max(1.0, logits.std())


def test_platt_scaling_agrees_with_a_general_optimiser() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(1.0, 2.0, 4000)
    labels = rng.random(4000) < expit(0.4 * logits - 1.5)
    targets = platt_targets(labels)

    def loss(weights: Floats) -> float:
        fitted = weights[0] * logits + weights[1]
        return float(np.mean(np.logaddexp(0.0, fitted) - targets * fitted))

    best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    scaling = PlattScaling.fit(labels, logits)
    assert (scaling.slope, scaling.intercept) == pytest.approx(best, abs=1e-4)
    assert (scaling.slope, scaling.intercept) == pytest.approx((0.4, -1.5), abs=0.12)
    other = rng.normal(size=(3, 2))
    np.testing.assert_allclose(scaling.apply(other), expit(scaling.slope * other + scaling.intercept))
    assert scaling.apply(logits).mean() == pytest.approx(np.mean(labels), rel=1e-3)  # as many clicks as came


@pytest.mark.parametrize("seed", [12, 25, 72, 108])
def test_platt_scaling_survives_outliers(seed: int) -> None:
    """Rare clicks and Cauchy logits, on which full Newton steps go round in circles."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_cauchy(50)
    labels = rng.random(50) < 0.01
    labels[:2] = [True, False]
    left = PlattScaling.fit(labels, logits).apply(logits) - platt_targets(labels)
    assert abs(left.mean()) < 1e-7


def test_platt_scaling_ends_where_steps_are_lost_in_rounding() -> None:
    logits = np.array([2.182436070418645, 1.743464630452181, -2.344905723315037])
    labels = np.array([True, False, True])
    left = PlattScaling.fit(labels, logits).apply(logits) - platt_targets(labels)
    assert abs(left.mean()) < 1e-8


def test_platt_scaling_at_its_limits() -> None:
    separated = PlattScaling.fit([0] * 20 + [1] * 20, [-1.0] * 20 + [1.0] * 20)
    assert separated.apply([1.0, -1.0]).tolist() == pytest.approx([21 / 22, 1 / 22])
    flat = PlattScaling.fit([1, 0, 0, 0], [0.1] * 4)
    assert flat.slope == 0
    assert flat.apply([5.0, -5.0]).tolist() == pytest.approx([(2 / 3 + 3 / 5) / 4] * 2)
    upside_down = PlattScaling.fit([1, 1, 0, 0, 1, 0], [-2.0, -1.0, 1.0, 2.0, 0.0, 0.1])
    assert upside_down.slope < 0
    far = separated.apply([-1e6, 1e6])
    assert far.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: auc([1, 0], [1.0]), r"\(2,\), scores \(1,\)"),
        (lambda: auc([[1, 0]], [[1.0, 2.0]]), "labels have shape"),
        (lambda: auc([1, 0], [1.0, math.nan]), "1 of 2 scores are nan"),
        (lambda: auc([1, -1], [1.0, 2.0]), r"labels hold \[-1\]"),
        (lambda: auc([1.0, math.nan], [1.0, 2.0]), r"labels hold \[nan\]"),
        (lambda: gauc([1, 0], [1.0, 2.0], ["u"]), r"users have shape \(1,\)"),
        (lambda: group_auc([[1.0], [2.0]]), r"\(2, 1\), not \(n, 1 \+ m\)"),
        (lambda: group_auc([1.0, 2.0]), r"\(2,\), not"),
        (lambda: group_auc([[1.0, math.nan]]), "1 of 2 scores are nan"),
        (lambda: log_loss([1], [1.5]), "apply the sigmoid"),
        (lambda: expected_calibration_error([1], [-0.1]), "apply the sigmoid"),
        (lambda: log_loss([1], [math.nan]), "1 of 1 probabilities are nan"),
        (lambda: expected_calibration_error([1], [0.5], bins=0), "bins is 0"),
        (lambda: PlattScaling.fit([1, 1], [0.0, 1.0]), "2 clicks, 0 others"),
        (lambda: PlattScaling.fit([0, 1], [0.0, math.inf]), "finite logits"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        wrong()
