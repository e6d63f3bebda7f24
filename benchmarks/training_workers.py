"""How fast is a model fitted in workers of Ray Train? Examples per second of a pass, for 1 and 2 workers.

    python benchmarks/training_workers.py [--examples 40000] [--epochs 4] [--workers 1,2] [--rounds 1] [--device cpu]

Makes a synthetic log, prepares it as `mos train` does, and fits it as `mos train --workers` does. Prints Markdown: for
each number of workers the examples per second while a pass is under way, without the start of Ray and without
validation: of the median pass and of the fastest one, which a busy machine has disturbed least. The workers share this
machine's cores: one has a thread for each, two have half as many each. With rounds they take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import replace

from training import prepared

from mos_cli.train.workers import fitter_on_ray
from mos_online.settings import Settings
from mos_online.training.fitting import Fitting
from mos_online.training.starts import TRIAL

REST = 1 - TRIAL
"""Shares of the schedule: each of the two starts has one, and the fit the other."""


class Passes:
    """When which share of which pass was done, as the progress says it."""

    def __init__(self, examples: float) -> None:
        """Hear nothing yet; ``examples`` are those of the whole schedule."""
        self._heard: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self._examples = examples

    def hear(self, stage: str, part: float, words: str) -> None:
        """Take what a fitting says of its progress."""
        if words.startswith("pass "):
            self._heard[stage, words.partition(",")[0]].append((time.perf_counter(), part))

    def rates(self) -> list[float]:
        """Examples per second of each pass, from the first word about it to the last."""
        found = []
        for (stage, _), heard in self._heard.items():
            (began, first), (ended, last) = heard[0], heard[-1]
            share = REST if stage == "fit" else TRIAL
            if ended > began:
                found.append((last - first) * share * self._examples / (ended - began))
        return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.epochs % 2:
        parser.error("--epochs must be even: a trial of a start is half of them, and a part of a pass tells no rate")
    data, config = prepared(arguments.examples, 200, threads=2, step=1024)
    # the passes end it, and not the time: then a share of a stage is a number of examples
    config = replace(config, epochs=arguments.epochs, minutes=1e6, patience=99, device=arguments.device)
    items = len(data.catalogue.items)
    print(f"{data.learned.count:,} examples, {items:,} items, {os.cpu_count()} cores, {config.step} a step")
    found: dict[int, list[float]] = defaultdict(list)
    for workers in arguments.rounds * list(map(int, arguments.workers.split(","))):
        passes = Passes(data.learned.count * arguments.epochs)
        with tempfile.TemporaryDirectory() as home, fitter_on_ray(Settings.load(home=home), workers) as fitter:
            fitter(Fitting.of(data, config), config, passes.hear)
        found[workers] += passes.rates()
    print("\n| workers | passes | examples/s, median | examples/s, fastest |\n|---|---|---|---|")
    for workers, rates in found.items():
        print(f"| {workers} | {len(rates)} | {statistics.median(rates):,.0f} | {max(rates):,.0f} |")
    print(f"\nload of a processor {os.getloadavg()[1] / (os.cpu_count() or 1):.1f}")


if __name__ == "__main__":
    main()
