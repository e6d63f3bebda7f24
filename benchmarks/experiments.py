"""How often are experiments wrong, and how soon do they find what is there? Many runs of simulated users.

    python benchmarks/experiments.py [--runs 500] [--users 200000]

Prints Markdown. Every run is looked at 10,000 times. A z-test at every look is shown beside the confidence sequence of
``mos_online.experiments``, whose code the vectorised copy here is checked against. About four minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2

from mos_online.arrays import Floats
from mos_online.experiments.confidence_sequence import FIRST_LOOK, half_width
from mos_online.experiments.difference import FEWEST_FOR_SLOPE, Difference
from mos_online.experiments.sample_ratio import ALPHA, CONCENTRATION, log_evidence

LOOKS = 10_000
CHUNK = 1_000
BASE = 0.05
"""Clicks per user of the control."""
BUYERS = 0.03
ASK = 5.0
"""Mean impressions of a user, for the ratio."""

Draw = Callable[[np.random.Generator, "np.ndarray[tuple[int, int], np.dtype[np.bool_]]", float], tuple[Floats, Floats]]
"""Outcomes and covariates of users, by whether they are treated and the relative lift."""


class Case(NamedTuple):
    """A metric and how users are split."""

    name: str
    draw: Draw
    truth: float
    """The difference that a lift of 100 % makes."""
    ramp: bool = False
    adjust: bool = False


def clicked(rng: np.random.Generator, treated: np.ndarray, lift: float) -> tuple[Floats, Floats]:
    """One click or none."""
    return (rng.random(treated.shape) < BASE * (1 + lift * treated)).astype(float), np.zeros(treated.shape)


def revenue(rng: np.random.Generator, treated: np.ndarray, lift: float) -> tuple[Floats, Floats]:
    """Few buy, for very different amounts."""
    buys = rng.random(treated.shape) < BUYERS * (1 + lift * treated)
    return np.where(buys, rng.lognormal(3, 1.2, treated.shape), 0.0), np.zeros(treated.shape)


def counts(rng: np.random.Generator, treated: np.ndarray, lift: float) -> tuple[Floats, Floats]:
    """Clicks of the window and of the weeks before, by users who differ."""
    rate = rng.gamma(0.5, 2.0, treated.shape)
    return rng.poisson(rate * (1 + lift * treated)).astype(float), rng.poisson(2 * rate).astype(float)


def per_impression(rng: np.random.Generator, treated: np.ndarray, lift: float) -> tuple[Floats, Floats]:
    """Clicks, and impressions in the place of the covariate: the ratio is linearised while users are counted."""
    shown = 1 + rng.poisson(rng.gamma(0.7, (ASK - 1) / 0.7, treated.shape))
    taste = rng.beta(1, 1 / BASE - 1, treated.shape) * (1 + lift * treated)
    return rng.binomial(shown, np.minimum(taste, 1)).astype(float), shown.astype(float)


CASES = (
    Case("CTR 5 %, a click or none", clicked, BASE),
    Case("revenue, 3 % buy", revenue, BUYERS * float(np.exp(3 + 1.2**2 / 2))),
    Case("clicks of returning users", counts, 1.0),
    Case("the same, adjusted (CUPED)", counts, 1.0, adjust=True),
    Case("the same, adjusted, ramp 5, 20, 50 %", counts, 1.0, ramp=True, adjust=True),
    Case("clicks / impressions (ratio)", per_impression, BASE),
)


class Look(NamedTuple):
    """All runs after so many users: mean and deviation of the sequence's terms, and the z-test's."""

    users: int
    mean: Floats
    deviation: Floats
    z: Floats


def looks(case: Case, runs: int, users: int, lift: float, seed: int) -> Iterator[Look]:
    """The recurrences of ``Difference`` (and ``RatioOutcome``) for all runs at once."""
    rng = np.random.default_rng(seed)
    every = max(1, users // LOOKS)
    mean_y, mean_x, var_x, cov, mean_f, var_f = np.zeros((6, runs))
    sums = np.zeros((2, 3, runs))  # by arm: users, outcomes, squares
    totals = np.zeros((2, runs))  # of numerators and denominators
    shadow, first = Difference(), 0
    for start in range(0, users, CHUNK):
        share = 0.5 if not case.ramp else (0.05, 0.2, 0.5)[min(2, 3 * start // users)]
        treated = rng.random((CHUNK, runs)) < share
        outcomes, befores = case.draw(rng, treated, lift)
        for step in range(CHUNK):
            count, arm, y, x = start + step, treated[step], outcomes[step], befores[step]
            if case.draw is per_impression:
                clicks, shown = y, x
                known = np.maximum(totals[1], 1e-12)
                y = np.where(totals[1] > 0, (clicks - totals[0] / known * shown) * count / known, 0.0)
                totals += clicks, shown
            x = x if case.adjust else np.zeros(runs)
            shadow.add(treated=bool(arm[0]), probability=share, outcome=float(y[0]), before=float(x[0]))
            slope = np.divide(cov, var_x, out=np.zeros(runs), where=(var_x > 0) & (count >= FEWEST_FOR_SLOPE))
            f = (y - mean_y - slope * (x - mean_x)) * np.where(arm, 1 / share, -1 / (1 - share))
            weight, from_x = 1 / (count + 1), x - mean_x
            mean_x = mean_x + from_x * weight
            var_x = var_x + from_x * (x - mean_x)
            mean_y = mean_y + (y - mean_y) * weight
            cov = cov + from_x * (y - mean_y)
            off = f - mean_f
            mean_f = mean_f + off * weight
            var_f = var_f + off * (f - mean_f)
            for index, mask in enumerate((~arm, arm)):
                sums[index] += mask, mask * y, mask * y * y
            first = count + 1
            if first % every == 0 and first >= FIRST_LOOK:
                yield Look(first, mean_f, np.sqrt(var_f / first), _z(sums))
    close = shadow.interval(expected=users)
    assert abs(close.mean - mean_f[0]) < 1e-9 * max(1.0, abs(close.mean)), "the copy differs from the product"


def _z(sums: Floats) -> Floats:
    with np.errstate(all="ignore"):
        n, total, squares = sums[:, 0], sums[:, 1], sums[:, 2]
        means = total / n
        error = np.sqrt((((squares / n) - means**2) / n).sum(0))
        z: Floats = np.nan_to_num((means[1] - means[0]) / error)
        return z


class Found(NamedTuple):
    """Shares of the runs, and users when the sequence was sure (median of the runs in which it was)."""

    sure: float
    z_sure: float
    left_out: float
    users: float


def judge(case: Case, runs: int, users: int, lift: float, expected: float, seed: int) -> Found:
    """Look at every run 10,000 times."""
    sure_at, z_sure, left = np.full(runs, np.inf), np.zeros(runs, bool), np.zeros(runs, bool)
    truth = case.truth * lift
    for look in looks(case, runs, users, lift, seed):
        half = look.deviation * half_width(look.users, 1.0, expected=expected)
        sure_at = np.where((np.abs(look.mean) > half) & np.isinf(sure_at), look.users, sure_at)
        left |= np.abs(look.mean - truth) > half
        z_sure |= np.abs(look.z) > 1.96
    found = np.isfinite(sure_at)
    median = float(np.median(sure_at[found])) if found.any() else float("nan")
    return Found(float(found.mean()), float(z_sure.mean()), float(left.mean()), median)


def sample_ratio(share: float, runs: int, users: int, seed: int) -> tuple[float, float, float]:
    """Share of runs with an alarm of the e-process, the median of its users, and alarms of chi-square, p < .001."""
    rng = np.random.default_rng(seed)
    first = np.cumsum(rng.binomial(100, share, (users // 100, runs)), 0)
    total = 100 * np.arange(1, users // 100 + 1)[:, None]
    half = CONCENTRATION / 2
    evidence = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total) + total * np.log(2) - 2 * gammaln(half)
    evidence = evidence + gammaln(half + first) + gammaln(half + total - first)
    assert abs(evidence[-1, 0] - log_evidence([int(first[-1, 0]), int(total[-1, 0] - first[-1, 0])], [0.5, 0.5])) < 1e-6
    alarm = evidence >= np.log(1 / ALPHA)
    fixed = (2 * first - total) ** 2 / total > chi2.isf(ALPHA, 1)
    seen = alarm.any(0)
    median = float(np.median(100 * (alarm.argmax(0)[seen] + 1))) if seen.any() else float("nan")
    return float(seen.mean()), median, float(fixed.any(0).mean())


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--users", type=int, default=200_000, help="of both arms together")
    parser.add_argument("--lift", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.runs} runs of {asked.users:,} users, 10,000 looks, alpha 5 %, expected at 20,000 users\n")
    print("| metric | A/A: z-test | A/A: sequence | lift | found | users (median) | truth left out |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        same = judge(case, asked.runs, asked.users, 0.0, 20_000, asked.seed)
        more = judge(case, asked.runs, asked.users, asked.lift, 20_000, asked.seed + 1)
        print(
            f"| {case.name} | {same.z_sure:.1%} | {same.sure:.1%} | {asked.lift:.0%} | {more.sure:.1%} "
            f"| {more.users:,.0f} | {more.left_out:.1%} |",
            flush=True,
        )
    print("\n| true share, planned .50 | e-process | users (median) | chi-square at every look, p < .001 |")
    print("|---|---|---|---|")
    for share in (0.5, 0.51, 0.52, 0.55):
        seen, median, fixed = sample_ratio(share, asked.runs, 100_000, asked.seed)
        print(f"| {share:.2f} | {seen:.1%} | {median:,.0f} | {fixed:.1%} |", flush=True)


if __name__ == "__main__":
    main()
