"""Intervals that hold what they promise, p values that agree with them, and tests corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError
from mos_online.metrics import bootstrap
from mos_online.metrics.bootstrap import (
    Comparison,
    holm,
    paired_bootstrap,
    paired_gauc_bootstrap,
    seed_interval,
    slope_interval,
)
from mos_online.metrics.ctr import gauc, user_aucs
from mos_online.metrics.ranking import Estimate, clustered_mean

Integers = Ints

VALUE = st.integers(-64, 64).map(lambda n: n / 64)
ROWS = st.lists(st.tuples(VALUE, VALUE, st.integers(0, 6)), min_size=1, max_size=30)
REPETITIONS = 200


def drawn_rows(users: Integers, draws: int, seed: int) -> list[Integers]:
    """The rows of every draw, user by user."""
    names = np.unique(users)
    picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    return [np.concatenate([np.flatnonzero(users == names[pick]) for pick in row]) for row in picks]


def summed_up(mean: float, resampled: list[float]) -> tuple[float, float, float, float]:
    """Mean, interval and p of 99 draws: (99 + 1) / 40 is 2, rounded down, so the second smallest and largest."""
    ordered = sorted(resampled)
    other_side = min(sum(value <= 1e-12 for value in ordered), sum(value >= -1e-12 for value in ordered))
    return mean, ordered[1], ordered[-2], min(1.0, 2 * (1 + other_side) / 100)


def parts(comparison: Comparison) -> tuple[object, ...]:
    return comparison.mean, comparison.low, comparison.high, comparison.p


def assert_nothing(comparison: Comparison) -> None:
    assert all(map(math.isnan, (comparison.mean, comparison.low, comparison.high, comparison.p)))


@settings(deadline=None)
@given(ROWS, st.integers(0, 3))
def test_a_draw_takes_users_with_all_their_requests(rows: list[tuple[float, float, int]], seed: int) -> None:
    a, b, users = (np.array(column) for column in zip(*rows, strict=True))
    found = paired_bootstrap(a, b, users, draws=99, seed=seed)
    if len(set(users)) == 1:
        assert parts(found) == (pytest.approx((a - b).mean()), -math.inf, math.inf, 1.0)
    else:
        means = [float((a - b)[chosen].mean()) for chosen in drawn_rows(users, 99, seed)]
        assert parts(found) == pytest.approx(summed_up(float((a - b).mean()), means), abs=1e-9)


@settings(deadline=None)
@given(ROWS)
def test_the_other_way_round_is_the_mirror_image(rows: list[tuple[float, float, int]]) -> None:
    a, b, users = zip(*rows, strict=True)
    one, other = paired_bootstrap(a, b, users, draws=199), paired_bootstrap(b, a, users, draws=199)
    assert parts(one) == pytest.approx((-other.mean, -other.high, -other.low, other.p), abs=1e-12)


@settings(deadline=None)
@given(ROWS, st.sampled_from([39, 40, 99, 500]))
def test_p_is_small_exactly_if_the_interval_excludes_zero(rows: list[tuple[float, float, int]], draws: int) -> None:
    a, b, users = zip(*rows, strict=True)
    found = paired_bootstrap(a, b, users, draws=draws)
    assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)


def test_the_order_of_requests_and_the_names_of_users_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    a, b, users = rng.random(300), rng.random(300), rng.integers(10, 40, size=300)
    mixed = rng.permutation(300)
    one = paired_bootstrap(a, b, users)
    other = paired_bootstrap(a[mixed], b[mixed], [f"user {user}" for user in users[mixed]])
    assert parts(other) == pytest.approx(parts(one), abs=1e-12)
    assert paired_bootstrap(a, b, users, seed=1).low != one.low


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b, users = rng.random(300), rng.random(300), rng.integers(40, size=300)
    whole = paired_bootstrap(a, b, users, draws=101)
    for cells in (1, 40 * 7):  # less than a draw, and a number of draws that does not divide 101
        monkeypatch.setattr(bootstrap, "CELLS", cells)
        assert parts(paired_bootstrap(a, b, users, draws=101)) == pytest.approx(parts(whole), abs=1e-12)


def test_seeds_are_averaged() -> None:
    rng = np.random.default_rng(0)
    a, b, users = rng.random((4, 100)), rng.random((4, 100)), rng.integers(20, size=100)
    averaged = paired_bootstrap(a.mean(axis=0), b.mean(axis=0), users)
    assert parts(paired_bootstrap(a, b, users)) == pytest.approx(parts(averaged), abs=1e-12)


def test_it_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(400, size=4000)
    differences = rng.normal(size=400)[users] + rng.normal(size=4000)
    drawn = paired_bootstrap(differences, np.zeros(4000), users)
    linear = clustered_mean(differences.tolist(), [str(user) for user in users])
    assert drawn.mean == pytest.approx(linear.mean)
    assert drawn.high - drawn.low == pytest.approx(linear.high - linear.low, rel=0.1)


def asked(rng: np.random.Generator, users: int = 60) -> tuple[Floats, Integers]:
    """Users with 1 to 9 requests, whose gain grows with their requests; mean over requests 0.1 E[n^2] / E[n]."""
    counts = rng.integers(1, 10, size=users)
    owners = np.repeat(np.arange(users), counts)
    gains = 0.1 * counts + rng.normal(0, 0.5, users)
    return gains[owners] + rng.normal(0, 0.5, len(owners)), owners


TRUTH = 0.1 * (285 / 9) / 5


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = [
        found.low <= TRUTH <= found.high
        for found in (
            paired_bootstrap(gains, np.zeros_like(gains), owners, draws=399, seed=repetition)
            for repetition in range(REPETITIONS)
            for gains, owners in [asked(rng)]
        )
    ]
    assert 0.90 <= np.mean(covered) <= 0.98


def test_without_a_difference_p_is_uniform() -> None:
    rng = np.random.default_rng(3)
    found = []
    for repetition in range(REPETITIONS):
        owners = rng.integers(60, size=300)
        a, b = rng.normal(size=60)[owners], rng.normal(size=60)[owners]
        found.append(paired_bootstrap(a, b, owners, draws=399, seed=repetition).p)
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.10
    assert 0.40 <= np.mean(np.array(found) <= 0.50) <= 0.60


def test_equal_models_and_hopeless_ones() -> None:
    values, users = np.arange(50.0), np.arange(50) // 2
    assert parts(paired_bootstrap(values, values, users)) == (0, 0, 0, 1)
    assert parts(paired_bootstrap(values + 1, values, users)) == (1, 1, 1, pytest.approx(2 / 2001))
    assert_nothing(paired_bootstrap([], [], []))
    assert isinstance(paired_bootstrap(values, values, users), Estimate)


def test_gauc_bootstrap_is_about_the_difference_of_gauc() -> None:
    rng = np.random.default_rng(4)
    users, labels = rng.integers(50, size=1500), rng.random(1500) < 0.2
    good = [labels + rng.normal(size=1500) for _ in range(3)]
    poor = [rng.normal(size=1500) for _ in range(3)]
    _, _, weights = user_aucs(labels, good[0], users)
    aucs_good, aucs_poor = (np.stack([user_aucs(labels, scores, users)[1] for scores in part]) for part in (good, poor))
    found = paired_gauc_bootstrap(aucs_good, aucs_poor, weights)
    expected = np.mean([gauc(labels, a, users) - gauc(labels, b, users) for a, b in zip(good, poor, strict=True)])
    assert found.mean == pytest.approx(expected)
    # a request for each impression, with its user's AUC, is the same comparison
    rows = np.repeat(np.arange(len(weights)), weights)
    assert parts(found) == pytest.approx(parts(paired_bootstrap(aucs_good[:, rows], aucs_poor[:, rows], rows)))


@settings(deadline=None)
@given(st.lists(st.tuples(VALUE, VALUE, st.integers(0, 6)), min_size=8, max_size=30), st.floats(-1e3, 1e3))
def test_the_slope_is_that_of_least_squares_in_every_draw(rows: list[tuple[float, float, int]], offset: float) -> None:
    y, x, users = (np.array(column) for column in zip(*rows, strict=True))
    found = slope_interval(y, x + offset, users, draws=99)
    if np.ptp(x) == 0:
        assert math.isnan(found.mean)
    else:
        assert found.mean == pytest.approx(np.polyfit(x, y, 1)[0], abs=1e-8)
    if len(set(users)) == 1:
        assert parts(found)[1:] == (-math.inf, math.inf, 1)
        return
    lows, highs = [], []
    for chosen in drawn_rows(users, 99, 0):
        slopes = [float(np.polyfit(x[chosen], y[chosen], 1)[0])] * 2 if np.ptp(x[chosen]) else [-math.inf, math.inf]
        lows.append(slopes[0])
        highs.append(slopes[1])
    assert found.low == pytest.approx(sorted(lows)[1], abs=1e-6)
    assert found.high == pytest.approx(sorted(highs)[-2], abs=1e-6)


def test_the_interval_of_a_slope_covers_it() -> None:
    rng = np.random.default_rng(6)
    covered = []
    for repetition in range(REPETITIONS):
        owners = rng.integers(60, size=300)
        hops, liking = rng.random(60), rng.normal(0, 0.5, 60)
        gains = 0.3 * hops[owners] + liking[owners] + rng.normal(0, 0.5, 300)
        found = slope_interval(gains, hops[owners], owners, draws=399, seed=repetition)
        covered.append(found.low <= 0.3 <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.98


def test_a_slope_does_not_depend_on_where_the_covariate_starts() -> None:
    rng = np.random.default_rng(0)
    gains, covariate, users = rng.random(100), rng.integers(64, size=100) / 64, rng.integers(20, size=100)
    near, far = (slope_interval(gains, covariate + start, users) for start in (0, 1e8))
    assert parts(far) == pytest.approx(parts(near), abs=1e-6)


def test_slopes_that_do_not_exist() -> None:
    flat = slope_interval([0.0, 1.0, 2.0], [0.1, 0.1, 0.1], ["u", "v", "w"])
    assert math.isnan(flat.mean)
    assert parts(flat)[1:] == (-math.inf, math.inf, 1)
    assert_nothing(slope_interval([], [], []))
    assert_nothing(paired_gauc_bootstrap([], [], []))
    # two users, each with one value: half of the draws hold only one of them, and may lie on either side
    pair = slope_interval([0.0, 1.0], [0.0, 1.0], ["u", "v"])
    assert parts(pair) == (1, -math.inf, math.inf, pytest.approx(1, abs=0.1))


@pytest.mark.parametrize(("first", "other", "rows"), [(0.1, 0.53, 7), (0.1, 0.33, 6)])
def test_rounding_is_no_slope(first: float, other: float, rows: int) -> None:
    """Draws of one user only: the sums of equal covariates leave a spread of 1e-17, which is not a spread."""
    covariate = [first] * rows + [other] * 7
    found = slope_interval(np.arange(len(covariate)) % 3, covariate, [value == other for value in covariate], draws=99)
    assert parts(found)[1:3] == (-math.inf, math.inf)


def test_seed_interval_is_students() -> None:
    found = seed_interval([0.01, 0.03, 0.02, 0.05, 0.04])
    half = 2.776445105 * math.sqrt(0.00025) / math.sqrt(5)  # t(4), variance by hand
    assert (found.mean, found.low, found.high) == pytest.approx((0.03, 0.03 - half, 0.03 + half))
    assert seed_interval([0.5]) == Estimate(mean=0.5, low=-math.inf, high=math.inf)
    assert math.isnan(seed_interval([]).mean)


def test_holm_by_hand() -> None:
    """0.01 * 4, 0.02 * 3, then 0.03 * 2 = 0.06, then 0.04 * 1, which may not be less than the one before."""
    found = holm({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.02})
    assert list(found) == ["c", "a", "d", "b"]
    assert found == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_step_by_step(p_values: dict[str, float]) -> None:
    """The procedure as published: go on while p <= level / (number that is left)."""
    adjusted = holm(p_values)
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for level in (0.01, 0.05, 0.5):
        rejected = set()
        for before, name in enumerate(ordered):
            if (len(ordered) - before) * p_values[name] > level:
                break
            rejected.add(name)
        assert {name for name, p in adjusted.items() if p <= level} == rejected
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: paired_bootstrap([1.0], [1.0, 2.0], ["u", "v"]), r"a has shape \(1,\), b \(2,\)"),
        (lambda: paired_bootstrap(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), ["u", "v"]), "a has shape"),
        (lambda: paired_bootstrap(np.zeros((0, 2)), np.zeros((0, 2)), ["u", "v"]), "a has shape"),
        (lambda: paired_bootstrap([1.0, 2.0], [1.0, 2.0], ["u"]), r"users have shape \(1,\)"),
        (lambda: paired_bootstrap([1.0, math.nan], [1.0, 2.0], ["u", "v"]), "1 of 2 values of a"),
        (lambda: paired_bootstrap([1.0, 2.0], [1.0, 2.0], ["u", "v"], draws=38), "draws is 38"),
        (lambda: paired_gauc_bootstrap([0.5, 0.5], [0.5, 0.5], [1, 0]), "one positive weight"),
        (lambda: paired_gauc_bootstrap([0.5, 0.5], [0.5, 0.5], [1]), r"weights have shape \(1,\)"),
        (lambda: slope_interval([1.0, 2.0], [1.0], ["u", "v"]), r"covariate \(1,\)"),
        (lambda: slope_interval([1.0, 2.0], [1.0, 2.0], ["u"]), r"users have shape \(1,\)"),
        (lambda: seed_interval([[1.0, 2.0]]), "one number a seed"),
        (lambda: seed_interval([math.inf]), "nan or infinite"),
        (lambda: holm({"a": math.nan}), "'a': nan"),
        (lambda: holm({"a": 1.5, "b": 0.5}), "{'a': 1.5}"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        wrong()
