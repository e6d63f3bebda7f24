"""The statistics of experiments against what defines them: expectations by enumeration, closed forms, false alarms."""

from __future__ import annotations

import itertools
from math import comb, exp, log, sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.experiments import Difference, RatioOutcome, SampleRatio
from mos_online.experiments.confidence_sequence import best_rho, half_width, interval
from mos_online.experiments.first_look import SKEWED, missing
from mos_online.experiments.sample_ratio import log_evidence

values = st.floats(-10, 10).map(lambda value: round(value, 3))


@given(st.integers(1, 40), st.floats(0.05, 0.95), st.floats(0.5, 2_000))
def test_the_evidence_of_a_true_plan_is_one_on_average(users: int, share: float, concentration: float) -> None:
    """So it is an e-value; its growth over users makes it an e-process (Ville)."""
    total = sum(
        comb(users, first)
        * share**first
        * (1 - share) ** (users - first)
        * exp(log_evidence([first, users - first], [share, 1 - share], concentration))
        for first in range(users + 1)
    )
    assert total == pytest.approx(1)


def test_a_mismatch_stays_found() -> None:
    watched = SampleRatio([0.5, 0.3, 0.2])
    assert not watched.look([500, 310, 190])
    assert watched.look([500, 310, 400])
    assert watched.look([50_000, 30_000, 20_000])


@given(st.integers(400, 1_000_000), st.floats(0.01, 0.2), st.floats(1e2, 1e6))
def test_the_interval_excludes_zero_where_the_mixture_sprt_rejects(count: int, alpha: float, expected: float) -> None:
    """Johari, Pekelis & Walsh: Lambda with tau^2 = rho^2 V reaches 1 / alpha just at the interval's edge."""
    variance, rho2 = 2.5, best_rho(expected, alpha) ** 2
    edge, tau2 = half_width(count, sqrt(variance), expected=expected, alpha=alpha), rho2 * variance
    log_lambda = 0.5 * log(variance / (variance + count * tau2)) + count**2 * tau2 * edge**2 / (
        2 * variance * (variance + count * tau2)
    )
    assert log_lambda == pytest.approx(log(1 / alpha))


def test_nothing_is_said_of_the_first_users() -> None:
    assert not interval(399, 100.0, 1.0, expected=1_000).excludes_zero
    assert interval(400, 100.0, 1.0, expected=1_000).excludes_zero


@given(st.lists(st.floats(-100, 100).map(lambda value: round(value, 2)), min_size=3, max_size=60))
def test_the_moments_of_the_outcomes_are_those_around_their_mean(outcomes: list[float]) -> None:
    found = Difference()
    for outcome in outcomes:
        found.add(treated=True, probability=0.5, outcome=outcome)
    off = np.array(outcomes) - np.mean(outcomes)
    assert found.var_y == pytest.approx((off**2).sum(), abs=1e-6)
    assert found.cube_y == pytest.approx((off**3).sum(), abs=1e-3)


def test_a_rare_arm_is_not_judged_by_a_handful_of_its_users() -> None:
    """Without the wait, 14 % of runs without a difference saw one: the first users of the arm had no click yet."""
    rng, alarms, first_users = np.random.default_rng(4), 0, []
    for _ in range(60):
        found, treated = Difference(), rng.random(12_000) < 0.01
        clicks, looked = rng.binomial(3, 0.05, treated.size).astype(float), False
        for number, (arm, outcome) in enumerate(zip(treated.tolist(), clicks.tolist(), strict=True), 1):
            found.add(treated=arm, probability=0.01, outcome=outcome)
            if number % 100 == 0 and not any(found.missing):
                if not looked:
                    first_users.append(found.users[1])
                looked = True
                alarms += found.interval(expected=12_000).excludes_zero
                if found.interval(expected=12_000).excludes_zero:
                    break
    assert alarms <= 6
    assert min(first_users) >= 50, "of the arm itself"


def test_with_few_clicks_a_rare_arm_is_falsely_judged_in_one_of_twenty_runs_at_most() -> None:
    """Looked at after every user from the first look on; with a c of 6 it was in 17 of these 200 runs."""
    rng, count, alarms, share = np.random.default_rng(11), np.arange(1.0, 12_001), 0, 0.2
    half = np.array([half_width(int(users), 1.0, expected=10_000) for users in count])
    for _ in range(200):
        treated, clicked = rng.random(count.size) < share, (rng.random(count.size) < 0.01).astype(float)
        mean, rare = np.cumsum(clicked) / count, np.cumsum(treated)
        effects = np.where(treated, 1 / share, -1 / (1 - share)) * (clicked - np.append(0.0, mean[:-1]))
        found = np.cumsum(effects) / count
        deviation = np.sqrt(np.maximum(np.cumsum(effects**2) / count - found**2, 0))
        skewness2 = (1 - 2 * mean) ** 2 / np.maximum(mean * (1 - mean), 1e-9)
        needed = np.maximum(50, np.ceil(SKEWED * skewness2 * (1 - 2 * rare / count) ** 2))
        first = int(np.argmax((count >= 400) & (mean > 0) & (rare >= needed)))
        assert missing([int(count[first]) - int(rare[first]), int(rare[first])], float(skewness2[first])) == (0, 0)
        alarms += bool((np.abs(found) > deviation * half)[first:].any())
    assert alarms <= 10


def test_bounds_that_were_given_stay_whatever_the_next_user_does() -> None:
    """A purchase of 20,000 makes the outcomes so skewed that a first look would be put off; over a restart, too."""
    rng, found = np.random.default_rng(3), Difference()
    for _ in range(20_000):
        outcome = float(rng.lognormal(3, 0.5)) if rng.random() < 0.1 else 0.0
        found.add(treated=bool(rng.random() < 0.1), probability=0.1, outcome=outcome)
        if found.begun:
            break
    assert 400 < sum(found.users) < 20_000
    found = msgspec.json.decode(msgspec.json.encode(found), type=Difference)
    found.add(treated=False, probability=0.1, outcome=20_000.0)
    bounds = found.interval(expected=20_000)
    assert np.isfinite([bounds.low, bounds.high]).all()
    assert found.missing == (0, 0)


def test_nothing_is_known_of_users_who_are_all_alike() -> None:
    """The deviation is 0 until the first purchase, and so would the interval be; then a rare arm waits for more."""
    found = Difference()
    for number in range(2_000):
        found.add(treated=number % 10 == 0, probability=0.1, outcome=0.0)
    assert found.missing == (0, 0)
    assert found.interval(expected=2_000).high == np.inf
    found.add(treated=True, probability=0.1, outcome=1.0)
    assert found.missing[1] > 1_000
    assert found.interval(expected=2_000).high == np.inf


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(values, values, values, st.floats(0.2, 0.8)), min_size=1, max_size=7))
def test_the_difference_is_right_on_average_over_all_assignments(
    users: list[tuple[float, float, float, float]],
) -> None:
    """Exactly, for any outcomes, covariates and changing probabilities: nothing is assumed about their distribution."""
    expected = 0.0
    for arms in itertools.product((False, True), repeat=len(users)):
        difference, likelihood = Difference(), 1.0
        for treated, (without, with_it, before, probability) in zip(arms, users, strict=True):
            outcome = with_it if treated else without
            difference.add(treated=treated, probability=probability, outcome=outcome, before=before)
            likelihood *= probability if treated else 1 - probability
        expected += likelihood * difference.interval(expected=1_000).mean
    truth = sum(with_it - without for without, with_it, _, _ in users) / len(users)
    assert expected == pytest.approx(truth, abs=1e-6)


def test_a_covariate_narrows_the_interval_and_a_lift_is_found() -> None:
    draw = np.random.default_rng(1)
    plain, adjusted, none = Difference(), Difference(), Difference()
    for _ in range(4_000):
        before, treated = draw.normal(), bool(draw.random() < 0.3)
        outcome = 2 * before + draw.normal() + 0.5 * treated
        plain.add(treated=treated, probability=0.3, outcome=outcome)
        adjusted.add(treated=treated, probability=0.3, outcome=outcome, before=before)
        none.add(treated=treated, probability=0.3, outcome=outcome - 0.5 * treated, before=before)
    wide, narrow = plain.interval(expected=4_000), adjusted.interval(expected=4_000)
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)
    assert narrow.low < 0.5 < narrow.high
    assert narrow.excludes_zero
    assert not none.interval(expected=4_000).excludes_zero


def test_a_covariate_far_from_zero_narrows_the_interval_as_much() -> None:
    """The slope is that of least squares, and the first users, whose slope is a guess, do not widen it."""
    draw, near, far = np.random.default_rng(2), Difference(), Difference()
    before, treated = draw.normal(size=2_000), draw.random(2_000) < 0.5
    outcomes = before + draw.normal(size=2_000)
    for x, y, arm in zip(before.tolist(), outcomes.tolist(), treated.tolist(), strict=True):
        near.add(treated=arm, probability=0.5, outcome=y, before=x)
        far.add(treated=arm, probability=0.5, outcome=y + 5, before=x + 100)
    slope, _ = np.polyfit(before, outcomes, 1)
    assert far.cov / far.var_x == pytest.approx(slope)
    assert near.cov / near.var_x == pytest.approx(slope)
    narrow, wide = near.interval(expected=2_000), far.interval(expected=2_000)
    assert wide.high - wide.low == pytest.approx(narrow.high - narrow.low, rel=0.1)
    assert narrow.high - narrow.low < 4.4 * half_width(2_000, 1.0, expected=2_000), "without: 5.7"


def test_few_of_many_trials_without_a_difference_ever_exclude_zero() -> None:
    """100 trials, 36 looks each: a z-test at every look is wrong in about a quarter of them."""
    alarms = 0
    for seed in range(100):
        draw, difference = np.random.default_rng(seed), Difference()
        arms, outcomes = draw.random(4_000) < 0.5, draw.gamma(0.2, 5.0, 4_000)
        excluded = False
        for number, (treated, outcome) in enumerate(zip(arms.tolist(), outcomes.tolist(), strict=True), 1):
            difference.add(treated=treated, probability=0.5, outcome=outcome)
            excluded |= number % 100 == 0 and difference.interval(expected=2_000).excludes_zero
        alarms += excluded
    assert alarms <= 9  # at 5 % each, more come by chance once in thirty such tests; the seeds are fixed


def test_the_linearised_ratio_has_the_difference_of_the_ratios() -> None:
    draw, ratio, difference = np.random.default_rng(3), RatioOutcome(), Difference()
    sums = np.zeros((2, 2))
    for _ in range(20_000):
        treated = bool(draw.random() < 0.5)
        shown = int(draw.poisson(5)) + 1
        clicked = int(draw.binomial(shown, 0.12 if treated else 0.10))
        sums[int(treated)] += clicked, shown
        difference.add(treated=treated, probability=0.5, outcome=ratio.of(clicked, shown))
    found = difference.interval(expected=20_000)
    assert ratio.ratio == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum())
    assert found.mean == pytest.approx(sums[1, 0] / sums[1, 1] - sums[0, 0] / sums[0, 1], abs=0.001)
    assert found.low < 0.02 < found.high
    assert found.excludes_zero
