"""How often does the estimate of another ranking's worth contain the truth? Many logs of answers that explored.

    python benchmarks/off_policy.py [--runs 200] [--answers 20000]

Prints Markdown. The estimates are those of ``mos experiments estimate``: the examination curve is fitted to the same
log. About four minutes on one core.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.errors import DatasetError
from mos_online.experiments.examination import estimated, examination
from mos_online.experiments.off_policy import Logged

K, CANDIDATES, OF_A_USER = 10, 30, 5


class Case(NamedTuple):
    """What is estimated.

    Attributes:
        name: for the table.
        other: how much the other ranking follows a score of its own instead of that of the served one, 0 to 1.
        epsilon: of the exploration.
        power: whether examination falls off as a power of the place, which the curve assumes; else by .85 each.
        answers: share of those asked for.
    """

    name: str
    other: float
    epsilon: float = 0.2
    power: bool = True
    answers: float = 1.0


CASES = (
    Case("the served ranking itself", 0.0),
    Case("a near ranking", 0.3),
    Case("a ranking of its own", 1.0),
    Case("a near ranking, the curve has another form", 0.3, power=False),
    Case("a near ranking, epsilon .05, three times the answers", 0.3, epsilon=0.05, answers=3.0),
    Case("a near ranking, a tenth of the answers", 0.3, answers=0.1),
)


def log_of(case: Case, answers: int, rng: np.random.Generator) -> tuple[Logged, Ints, float]:
    """A log, the other ranking of its candidates, and what that is worth on average over the requests of the log."""
    users = np.arange(answers) // OF_A_USER
    appetite = rng.gamma(4, 0.25, users[-1] + 1)[users][:, None]
    good = rng.beta(1, 12, (answers, CANDIDATES))
    served_score = good + 0.05 * rng.standard_normal(good.shape)
    order = np.argsort(-served_score, axis=1)
    good = np.take_along_axis(good, order, 1)  # by rank in what is served
    attraction = np.minimum(good * appetite, 1.0)
    own = good + 0.05 * rng.standard_normal(good.shape)
    ranks = np.broadcast_to(np.arange(CANDIDATES), good.shape)
    mixed = case.other * own - (1 - case.other) * 0.02 * ranks
    ranking = np.argsort(-mixed, axis=1, kind="stable")[:, :K]
    places = np.arange(1, K + 1)
    theta = places**-0.7 if case.power else 0.85 ** (places - 1)
    shown = np.broadcast_to(np.arange(K), (answers, K)).copy()
    explored = np.flatnonzero(rng.random(answers) < case.epsilon)
    shown[explored, rng.integers(0, K, len(explored))] = rng.integers(K, CANDIDATES, len(explored))
    clicked = (rng.random(shown.shape) < theta * np.take_along_axis(attraction, shown, 1)).astype(float)
    worth = float((theta * np.take_along_axis(attraction, ranking, 1)).sum(1).mean())
    return Logged(shown, clicked, users, CANDIDATES, case.epsilon), ranking, worth


class Found(NamedTuple):
    """Of all runs: the estimates that were not refused, and the truth."""

    means: Floats
    lows: Floats
    highs: Floats
    effective: float
    refused: int
    truth: float


def judge(case: Case, runs: int, answers: int, seed: int) -> Found:
    """Estimate many logs."""
    rows, effective, refused, truths = [], [], 0, []
    for run in range(runs):
        logged, ranking, truth = log_of(case, answers, np.random.default_rng([seed, run]))
        truths.append(truth)
        try:
            value = estimated(logged, ranking, examination(logged))
        except DatasetError:
            refused += 1
            continue
        effective.append(value.effective)
        if value.refused is not None:
            refused += 1
        else:
            rows.append((value.mean, value.low, value.high))
    table = np.array(rows).reshape(-1, 3)
    means, lows, highs = table[:, 0], table[:, 1], table[:, 2]
    share = float(np.mean(effective)) if effective else float("nan")
    return Found(means, lows, highs, share, refused, float(np.mean(truths)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--answers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.runs} logs of {asked.answers:,} answers of {K} of {CANDIDATES} candidates, epsilon .2\n")
    print("| ranking | truth | estimate | half the interval | effective sample | covers | refused |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        found = judge(case, asked.runs, round(asked.answers * case.answers), asked.seed)
        covers = (found.lows <= found.truth) & (found.truth <= found.highs)
        if not len(covers):
            print(f"| {case.name} | {found.truth:.4f} | | | | | {found.refused} |", flush=True)
            continue
        half = float((found.highs - found.lows).mean() / 2)
        print(
            f"| {case.name} | {found.truth:.4f} | {found.means.mean():.4f} | {half:.4f} | {found.effective:.1%} "
            f"| {covers.mean():.1%} | {found.refused} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
