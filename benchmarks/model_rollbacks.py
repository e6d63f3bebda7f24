"""How long until the last replica of a running `mos serve` answers with the model before, after `mos models rollback`.

    mos serve --replicas 2 &
    python benchmarks/model_rollbacks.py [--rollbacks 20] [--clients 4] [--rate 100]

Clients ask at a steady rate. If no model was in service before, one is made whose weights are moved a little. Then the
command is started again and again, so two models take turns. It checks the model before it commits; the moment of the
commit is seen in the registry. A rollback is live everywhere when the last answer of the other model was asked for. Run
it on a registry that holds nothing of value.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from asking_clients import AskingClients

from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.probe import check_model
from mos_online.registry import Registry, open_registry
from mos_online.settings import Settings

PAUSE = 2.0
"""Seconds from a commit to the next command: all replicas have followed by then."""

LOOK_EVERY = 0.002


def ensure_two_models(registry: Registry) -> None:
    """Put another model into service if there is none to go back to."""
    if registry.aliases().previous is not None:
        return
    moved = replace(ModelCheckpoint.from_pretrained(registry.fetch("champion")), stated_version=None)
    with torch.no_grad():
        moved.model.item.weight.mul_(1.01)
    with tempfile.TemporaryDirectory() as folder:
        moved.save_pretrained(Path(folder), "Moved a little by a benchmark.")
        registry.promote(registry.add(Path(folder)), check_model)


def roll_back(registry: Registry) -> tuple[float, float, str]:
    """When the command was started, when it has committed, and which model it has put out of service."""
    revision, before = registry.champion()
    started = time.monotonic()
    command = subprocess.Popen(
        [sys.executable, "-m", "mos_cli", "models", "rollback"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    while registry.champion()[0] == revision and command.poll() in {None, 0}:
        time.sleep(LOOK_EVERY)
    committed = time.monotonic()
    if command.wait() != 0:
        raise SystemExit("error: `mos models rollback` has failed; run it yourself to see why")
    return started, committed, before


def main() -> None:
    """Roll back under load, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollbacks", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second of all clients, at most")
    options = parser.parse_args()
    settings = Settings()
    registry = open_registry(settings)
    ensure_two_models(registry)
    clients = AskingClients(settings, options.clients, key="model_version", pause=options.clients / options.rate)
    time.sleep(PAUSE)
    done = []
    try:
        for _ in range(options.rollbacks):
            done.append(roll_back(registry))
            time.sleep(max(0.0, done[-1][1] + PAUSE - time.monotonic()))
    finally:
        clients.stop()
    took = []
    for number, (_, committed, before) in enumerate(done):
        end = done[number + 1][0] if number + 1 < len(done) else time.monotonic()
        late = [one.asked for one in clients.answers if one.made_by == before and committed < one.asked < end]
        took.append(max(late, default=committed) - committed)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{len(clients.answers):,} answers, statuses {dict(Counter(one.status for one in clients.answers))}")
    for words, seconds in (
        ("the command, until it has checked the model and committed", [two - one for one, two, _ in done]),
        ("from there to the last answer of the other model", took),
    ):
        p50, most = np.quantile(seconds, [0.5, 1.0])
        print(f"{len(done)} rollbacks: {words}: p50 {p50:.2f} s, at most {most:.2f} s")
    print(f"processor time of a command: {(used.ru_utime + used.ru_stime) / len(done):.2f} s")


if __name__ == "__main__":
    main()
