"""How fast is a model fitted? Examples per second of one pass, on the processor and, where there is one, on a GPU.

    python benchmarks/training.py [--examples 1000000] [--items-per-theme 200] [--threads 2] [--seconds 60]
                                  [--backbones gru4rec,pooling,sasrec] [--devices cpu,cuda] [--step 1024]

Makes a synthetic log, prepares it as `mos train` does, and takes as many steps of training as fit into the seconds, or
one whole pass if that is less. Prints Markdown: for each backbone and device the examples per second, and the minutes
that one pass over all examples takes at that rate. The log of a million examples takes about 3 GB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig
from mos_online.training.device import choose_device
from mos_online.training.fit import refresh
from mos_online.training.loss import ranking_loss
from mos_online.training.prepare import TrainingData, prepare, untrained_model
from simulator.population import SyntheticConfig, synthesize

WARM_UP = 10
"""Steps that are not timed."""

THEMES = 24


def prepared(examples: int, items_per_theme: int, *, threads: int, step: int) -> tuple[TrainingData, TrainConfig]:
    """A synthetic log with this many examples, laid out for training."""
    config = TrainConfig(examples=examples, longest_log=2 * examples, step=step, threads=threads)
    users = max(examples // 20, 100)  # with 8 sessions of 5 events each: twice as many events as examples
    log = synthesize(
        SyntheticConfig(users=users, themes=THEMES, items_per_theme=items_per_theme, sessions_per_user=8.0)
    )
    return prepare(log.events, log.items, SessionConfig(), config, lambda stage, share, words: None), config


def rate(data: TrainingData, config: TrainConfig, seconds: float) -> tuple[float, int]:
    """Examples per second, and how many were timed."""
    device = choose_device(config.device)
    model = untrained_model(
        replace(data, model_config=replace(data.model_config, backbone=config.backbone)), seed=0, alike=True
    )
    model.to(device).train()
    generator = torch.Generator().manual_seed(0)
    began: list[float] = []  # of each step

    def loss(numbers: Sequence[int]) -> Tensor:
        began.append(time.perf_counter())
        if len(began) > WARM_UP and began[-1] - began[WARM_UP] > seconds:
            raise TimeoutError
        return ranking_loss(model, data.learned.of(numbers), generator)

    together = config.budget.moments
    with contextlib.suppress(TimeoutError):
        refresh(model, len(data.learned), loss, rate=config.rate, together=together)
    timed = len(began) - 1 - WARM_UP
    return timed * config.step / (began[-1] - began[WARM_UP]), timed * config.step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--items-per-theme", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--backbones", default="gru4rec,pooling,sasrec")
    parser.add_argument("--devices", default="cpu,cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--step", type=int, default=TrainConfig.step, help="examples of a step")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.perf_counter()
    data, config = prepared(
        arguments.examples, arguments.items_per_theme, threads=arguments.threads, step=arguments.step
    )
    total = data.learned.count
    seconds = time.perf_counter() - started
    print(
        f"{total:,} examples, {len(data.catalogue.items):,} items, {arguments.step} a step; {seconds:.0f} s to prepare"
    )
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"torch {torch.__version__}, {arguments.threads} threads{gpu}")
    print("\n| backbone | device | examples/s | minutes for one pass | timed examples |\n|---|---|---|---|---|")
    for backbone in arguments.backbones.split(","):
        for device in arguments.devices.split(","):
            found, timed = rate(data, replace(config, backbone=backbone, device=device), arguments.seconds)
            print(f"| {backbone} | {device} | {found:,.0f} | {total / found / 60:.1f} | {timed:,} |", flush=True)


if __name__ == "__main__":
    main()
