"""Click probabilities around a planted drift of the themes: own cells beside River's models.

    python benchmarks/click_calibration.py [--answers 12000] [--seeds 3]

The log loss is above that of the planted probabilities; each impression is predicted before it is learned.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from planted_outcomes import ITEMS, log_odds, planted
from river import linear_model, optim

from mos_online.contracts import Outcome
from mos_online.learning.calibration import Calibration, Shown
from mos_online.learning.cells import sigmoid
from mos_online.learning.learner import FastLearner, shown_of

THEMES = 12


class Model(Protocol):
    """Predicts the impressions of an answer, then learns them."""

    def answer(self, outcome: Outcome) -> list[float]:
        """The probabilities that were expected."""


class CurveOnly:
    """The curve without cells."""

    def __init__(self) -> None:
        self._calibration = Calibration()

    def answer(self, outcome: Outcome) -> list[float]:
        """Predict by the curve alone."""
        curve = self._calibration.curve
        found = [curve.p(one.x, one.position) if curve else 0.1 for one in shown_of(outcome)]
        for one in shown_of(outcome):
            self._calibration.learn(one)
        return found


class Learner:
    """The learner as it is in use; ``hears``: its cells forget at an alarm."""

    def __init__(self, *, hears: bool) -> None:
        self._learner = FastLearner()
        self._hears = hears

    def answer(self, outcome: Outcome) -> list[float]:
        """Predict by curve and cells."""
        state = self._learner.state.arms.get("champion")
        model = state.models.get("m") if state else None
        found = [(model.by_request.p(one) if model else None) or 0.1 for one in shown_of(outcome)]
        if self._hears or model is None:
            self._learner.outcome(outcome)
        else:
            for one in shown_of(outcome):
                model.by_request.learn(one)
        return found


class River:
    """A logistic regression of River on the same facts."""

    def __init__(self, optimizer: Any) -> None:
        self._model = linear_model.LogisticRegression(optimizer, intercept_init=-2.0, intercept_lr=0.02)

    def answer(self, outcome: Outcome) -> list[float]:
        """Predict all, then learn all."""
        facts = [features(one) for one in shown_of(outcome)]
        found = [self._model.predict_proba_one(one).get(True, 0.1) for one in facts]
        for one, item in zip(facts, outcome.items, strict=True):
            self._model.learn_one(one, item.clicks > 0)
        return found


def features(shown: Shown) -> dict[str, float]:
    """x, the position and the theme of an item, as River takes them."""
    return {"x": shown.x / 4, f"position {shown.position}": 1.0, f"theme {shown.theme}": 1.0}


CANDIDATES: dict[str, Callable[[], Model]] = {
    "no cells: the curve alone": CurveOnly,
    "cells, which do not hear alarms": lambda: Learner(hears=False),
    "cells, which forget at an alarm (**in use**)": lambda: Learner(hears=True),
    "River `LogisticRegression(SGD(.05))`": lambda: River(optim.SGD(0.05)),
    "River `LogisticRegression(SGD(.01))`": lambda: River(optim.SGD(0.01)),
    "River `LogisticRegression(Adam(.01))`": lambda: River(optim.Adam(0.01)),
    "River `LogisticRegression(FTRLProximal())`": lambda: River(optim.FTRLProximal()),
}


def measured(make: Callable[[], Model], answers: int, seed: int) -> tuple[list[float], float]:
    """Excess log loss before, just after and late after the drift, and µs an impression."""
    offsets = np.random.default_rng(100 + seed).normal(0, 0.6, THEMES).tolist()
    drift_at = answers // 2
    model, excess, spent = make(), [], 0.0
    for number, outcome in enumerate(planted(answers, seed=seed, themes=THEMES, offsets=offsets, drift_at=drift_at)):
        began = time.process_time()
        expected = model.answer(outcome)
        spent += time.process_time() - began
        excess.append(above(outcome, expected, offsets if number >= drift_at else [0.0] * THEMES))
    step = answers // 12
    spans = ((drift_at - step, drift_at), (drift_at, drift_at + step), (answers - 2 * step, answers))
    return [float(np.mean(excess[begin:end])) for begin, end in spans], 1e6 * spent / answers / ITEMS


def above(outcome: Outcome, expected: Sequence[float], offsets: Sequence[float]) -> float:
    """The mean log loss of an answer's items above that of the planted probabilities."""
    total = 0.0
    for p, item, at in zip(expected, outcome.items, range(ITEMS), strict=True):
        true = sigmoid(log_odds(item.score, at) + offsets[item.theme - 1])
        total += loss(p, item.clicks) - loss(true, item.clicks)
    return total / ITEMS


def loss(p: float, clicked: int) -> float:
    """The log loss of one prediction."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    return -math.log(p if clicked else 1 - p)


def main() -> None:
    """Print a line for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print("| model | before | just after | late | µs an impression |\n|---|---|---|---|---|")
    for name, make in CANDIDATES.items():
        runs = [measured(make, args.answers, seed) for seed in range(args.seeds)]
        spans = 1000 * np.mean([spans for spans, _ in runs], axis=0)
        cost = np.mean([cost for _, cost in runs])
        print(f"| {name} | {' | '.join(f'{span:.2f}' for span in spans)} | {cost:.1f} |", flush=True)


if __name__ == "__main__":
    main()
