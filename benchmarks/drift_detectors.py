"""How soon detectors see a planted drift, and how often they see one where there is none.

    python benchmarks/drift_detectors.py [--seeds 10] [--quiet 500000]

Three signals: standardised residuals of clicks, residuals of the log loss, and shares of themes. Each detector first
sees 20,000 quiet events. The last line counts the alarms of a whole learner on quiet traffic.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from planted_outcomes import INTERCEPT, planted
from river import drift
from river.drift import binary

from mos_online.arrays import Floats
from mos_online.learning.alarms import EVENTS_PER_FALSE_ALARM
from mos_online.learning.detectors import AdaptiveWindow, Cusum, cusum_threshold
from mos_online.learning.learner import FastLearner
from mos_online.learning.monitor import CUSUM_THRESHOLD, LOSS_DELTA, SHARE_DELTA

THEMES = 12
WARM_UP = 20_000
LONGEST = 40_000
SLOW = 20_000
"""Events of a detector that takes a quarter of a millisecond for each."""

Update = Callable[[float], bool]
Signal = Callable[[np.random.Generator, int], Floats]
Candidate = tuple[str, Callable[[], Update]]


def river(make: Callable[[], Any], *, whole: bool = False) -> Callable[[], Update]:
    """A detector of River as a function; ``whole``: it takes 0 and 1 as whole numbers."""

    def made() -> Update:
        detector = make()

        def update(value: float) -> bool:
            detector.update(int(value) if whole else value)
            return bool(detector.drift_detected)

        return update

    return made


def probabilities(rng: np.random.Generator, count: int, ctr: float) -> Floats:
    """What a calibrated model expects, float64 (count,)."""
    return np.clip(rng.beta(2, 2 / ctr - 2, count), 1e-3, 0.9)


def residuals(ctr: float, factor: float = 1.0) -> Signal:
    """Residuals of clicks that come ``factor`` times as often as expected, in standard deviations."""

    def make(rng: np.random.Generator, count: int) -> Floats:
        p = probabilities(rng, count, ctr)
        clicked = rng.random(count) < np.clip(p * factor, 0, 1)
        return np.asarray((clicked - p) / np.sqrt(p * (1 - p)))

    return make


def losses(*, raw: bool = False, shuffled: float = 0.0) -> Signal:
    """Losses if a share of the scores says nothing any more; as many items are clicked. ``raw``: not the residuals."""

    def make(rng: np.random.Generator, count: int) -> Floats:
        p = np.clip(rng.beta(0.5, 4.5, count), 1e-3, 1 - 1e-3)
        true = np.where(rng.random(count) < shuffled, 0.1, p)
        clicked = rng.random(count) < true
        if raw:
            return np.asarray(-np.where(clicked, np.log(p), np.log(1 - p)))
        return np.asarray((p - clicked) * np.log(p / (1 - p)))

    return make


def shares(moved: float = 0.0) -> Signal:
    """Themes of sessions: the sixth gets a part of what the first has."""

    def make(rng: np.random.Generator, count: int) -> Floats:
        share = 1 / (np.arange(THEMES) + 2.0)
        share /= share.sum()
        share[0] -= moved
        share[5] += moved
        return rng.choice(THEMES, count, p=share).astype(float)

    return make


def of_each_theme(make: Callable[[], Update]) -> Callable[[], Update]:
    """One detector for each theme; any of them may alarm."""

    def made() -> Update:
        detectors = [make() for _ in range(THEMES)]

        def update(theme: float) -> bool:
            found = [detector(float(theme == number)) for number, detector in enumerate(detectors)]  # each sees it
            return any(found)

        return update

    return made


def delays(make: Callable[[], Update], quiet: Signal, changed: Signal, seeds: int, slow: bool) -> str:
    """Median and 90th percentile of the events until the first alarm after the change."""
    found = []
    for seed in range(min(seeds, 3) if slow else seeds):
        rng, update = np.random.default_rng(seed), make()
        for value in quiet(rng, WARM_UP // (10 if slow else 1)).tolist():
            update(value)
        later = changed(rng, LONGEST // (8 if slow else 1)).tolist()
        found.append(next((n + 1.0 for n, value in enumerate(later) if update(value)), np.inf))
    if np.isinf(found).all():
        return "not seen"
    middle, worst = np.quantile(found, [0.5, 0.9], method="inverted_cdf")
    return f"{middle:,.0f} / {'not seen' if np.isinf(worst) else f'{worst:,.0f}'}"


def table(
    title: str, quiet: Signal, changes: dict[str, tuple[Signal, Signal]], candidates: list[Candidate], args: Any
) -> None:
    """Print a line for each detector. ``changes``: what was quiet and what comes after it, by name."""
    print(f"\n### {title}\n")
    print(
        f"| detector | false in 100,000 | {' | '.join(changes)} | µs an event |\n|---|---|{'---|' * len(changes)}---|"
    )
    for name, make in candidates:
        slow = name.startswith("`KSWIN")
        count, update = (SLOW if slow else args.quiet), make()
        values = quiet(np.random.default_rng(1000), count).tolist()
        began = time.process_time()
        false = sum(map(update, values))
        cost = 1e6 * (time.process_time() - began) / count
        waits = [delays(make, before, after, args.seeds, slow) for before, after in changes.values()]
        print(f"| {name} | {1e5 * false / count:.1f} | {' | '.join(waits)} | {cost:.2f} |", flush=True)


def of_residuals(ctr: float) -> Iterator[Candidate]:
    """Detectors of residuals."""
    yield f"own CUSUM, k .03, h {CUSUM_THRESHOLD:.0f} (**in use**)", lambda: Cusum(CUSUM_THRESHOLD).update
    yield (
        f"own CUSUM, k .03, h {cusum_threshold(EVENTS_PER_FALSE_ALARM):.0f}",
        lambda: Cusum(cusum_threshold(EVENTS_PER_FALSE_ALARM)).update,
    )
    yield "`ADWIN(.002)`", river(drift.ADWIN)
    if ctr < 0.1:
        return
    yield "`ADWIN(1e-4)`", river(lambda: drift.ADWIN(delta=1e-4))
    yield "`PageHinkley()`", river(drift.PageHinkley)
    yield (
        "`PageHinkley(delta=.03, threshold=150)`",
        river(lambda: drift.PageHinkley(min_instances=500, delta=0.03, threshold=150.0, alpha=0.9999)),
    )
    yield "`KSWIN()`", river(lambda: drift.KSWIN(seed=1))


def quiet_learner(impressions: int, intercept: float) -> None:
    """Count the alarms of everything together: curve, cells, all detectors."""
    learner, alarms = FastLearner(), 0
    learner.begin_epoch("planted", THEMES)
    clicks, rng = 0, np.random.default_rng(5)
    answers = impressions // 10
    themes = shares()(rng, answers).astype(int).tolist()
    began = time.process_time()
    for number, one in enumerate(planted(answers, seed=5, themes=THEMES, intercept=intercept)):
        clicks += sum(item.clicks for item in one.items)
        alarms += len(learner.session(themes[number] + 1, one.window_end)) + len(learner.outcome(one))
    spent = time.process_time() - began
    held = sum(learner.state.hold_off.held.values())
    events = answers * 11
    print(f"\nA whole learner on {events:,} quiet events (a session and 10 displayed items for each answer),")
    print(f"of which {clicks / answers / 10:.1%} are clicked: {alarms} alarms, {held} more held off; that is")
    print(f"{1e5 * (alarms + held) / events:.2f} in 100,000.")
    print(f"An answer takes {1e6 * spent / answers:.0f} µs.")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--quiet", type=int, default=500_000)
    args = parser.parse_args()
    for ctr in (0.1, 0.02):
        quiet = residuals(ctr)
        changes = {f"clicks × {by}": (quiet, residuals(ctr, by)) for by in (1.5, 1.2, 0.8)}
        table(f"Residuals of clicks, CTR {ctr:.0%}", quiet, changes, list(of_residuals(ctr)), args)
    silent = {f"{share:.0%} of the scores say nothing": (losses(), losses(shuffled=share)) for share in (1.0, 0.3)}
    loss_window = river(lambda: drift.ADWIN(delta=LOSS_DELTA))
    table(
        "Residuals of the log loss",
        losses(),
        silent,
        [
            (f"`ADWIN({LOSS_DELTA:g})` (**in use**)", lambda: AdaptiveWindow(LOSS_DELTA).update),
            ("`ADWIN(.002)`", river(drift.ADWIN)),
        ],
        args,
    )
    raw = {
        f"{share:.0%} of the scores say nothing": (losses(raw=True), losses(raw=True, shuffled=share))
        for share in (1.0, 0.3)
    }
    raw_candidates = [(f"`ADWIN({LOSS_DELTA:g})`", loss_window), ("`PageHinkley()`", river(drift.PageHinkley))]
    table("The log loss itself", losses(raw=True), raw, raw_candidates, args)
    moved = {f"{points} points of share move": (shares(), shares(points / 100)) for points in (8, 3)}
    in_use = SHARE_DELTA / (THEMES + 3)
    table(
        f"Shares of {THEMES} themes",
        shares(),
        moved,
        [
            ("`ADWIN(.002/15)` of each (**in use**)", of_each_theme(lambda: AdaptiveWindow(in_use).update)),
            ("`ADWIN(.002)` of each", of_each_theme(river(drift.ADWIN))),
            (
                "`binary.HDDMA(.001/15)` of each",
                of_each_theme(river(lambda: binary.HDDMA(drift_confidence=0.001 / 15))),
            ),
            ("`binary.DDM()` of each", of_each_theme(river(binary.DDM, whole=True))),
            ("`KSWIN()` of the number of the theme", river(lambda: drift.KSWIN(seed=1))),
        ],
        args,
    )
    for intercept in (INTERCEPT, INTERCEPT - 2):
        quiet_learner(2 * args.quiet, intercept)


if __name__ == "__main__":
    main()
