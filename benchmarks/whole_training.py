"""How long does `mos train` take, from a log to a version in the registry, and where does the time go?

    python benchmarks/whole_training.py [--examples 1000000] [--minutes 4] [--threads 2] [--device auto]

Makes a synthetic log with twice as many events as examples and trains on it as `mos train --minutes` does. Prints
Markdown: the seconds of each stage, the passes over the examples, the quality beside the baselines, and the peak memory
of the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch

from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig, TrainReport, train
from mos_online.training.device import choose_device
from simulator.population import SyntheticConfig, synthesize

EVENTS_OF_A_USER = 40
"""Eight sessions of five events."""


class Stages:
    """The seconds from the first word about each stage of a training to the first about the next."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def hear(self, stage: str, part: float, words: str) -> None:
        """Take what a training says of its progress."""
        self._began.setdefault(stage, time.perf_counter())

    def seconds(self) -> dict[str, float]:
        """By stage, in their order; the last one lasts until now."""
        ends = [*list(self._began.values())[1:], time.perf_counter()]
        return {stage: end - began for (stage, began), end in zip(self._began.items(), ends, strict=True)}


def report(made: TrainReport, stages: Stages, config: TrainConfig) -> list[str]:
    """The tables in Markdown."""
    device = choose_device(config.device)
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = [("MoS", made.mos_ndcg), *((who, found["ndcg_at_10"].mean) for who, found in made.baselines.items())]
    return [
        f"{made.events:,} events, {made.items:,} items, {made.examples:,} examples, {made.validation_examples:,} for "
        f"validation; {config.backbone}, {config.minutes:g} minutes to fit; torch {torch.__version__}, "
        f"{config.threads} threads, {device}{gpu}",
        "",
        f"{made.seconds:,.0f} s in all, {made.passes} passes, peak memory {peak:.1f} GiB",
        "",
        "| stage | s |",
        "|---|---|",
        *(f"| {stage} | {seconds:.0f} |" for stage, seconds in stages.seconds().items()),
        "",
        "| validation | NDCG@10 |",
        "|---|---|",
        *(f"| {who} | {gain:.4f} |" for who, gain in rows),
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--items-per-theme", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=4.0, help="of `mos train`, for the fitting alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    population = SyntheticConfig(
        users=max(2 * options.examples // EVENTS_OF_A_USER, 100),
        themes=24,
        items_per_theme=options.items_per_theme,
        sessions_per_user=8.0,
    )
    log, stages = synthesize(population), Stages()
    config = TrainConfig(
        examples=options.examples, minutes=options.minutes, threads=options.threads, device=options.device
    )
    with tempfile.TemporaryDirectory() as folder:
        made = train(
            log.events,
            log.items,
            Registry(Path(folder)),
            sessions=SessionConfig(),
            config=config,
            name="synthetic",
            on_progress=stages.hear,
        )
    print(*report(made, stages, config), sep="\n")


if __name__ == "__main__":
    main()
