"""What revisions of the router regain after a drift, in themes and in the quality of the served lists.

    python benchmarks/regained.py [--home FOLDER] [--users 1500] [--hours 24] [--drift-at 4] [--every 250]

Simulated users are answered by the real recommender on a virtual clock. At the drift 30 % of the items change places,
20 % are replaced and 10 % of the users turn to one theme. Three ways of serving answer the very same requests, and
differ in their router only: the one of the model (frozen), its revisions (online), and one that was fitted on all
sessions after the drift, and is in service from the drift on (oracle). Popularity and co-clicks are live in all three.
Users see the lists of the online way. No click names a category.

Prints Markdown. The first run trains a model (about two minutes) and keeps it in FOLDER, if that is given. What was
regained is (online - frozen) / (oracle - frozen).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import torch

from mos_online.errors import ModelError
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.registry.model_config import load_config
from mos_online.sessions import SessionConfig
from mos_online.themes import Router
from mos_online.training import TrainConfig, train
from simulator.loop.compose import LoopConfig, StreamRules, virtual_loop
from simulator.loop.config import HOUR, Drift, Habits
from simulator.loop.kept_visits import KeptVisits
from simulator.loop.measured import Measured, regained
from simulator.loop.oracle import oracle_router
from simulator.loop.served import Served
from simulator.loop.shelf import revise_by
from simulator.population import Population, SyntheticConfig, populate

SESSIONS = (0, 500, 1000, 2000, 4000, 8000, 16_000)


def model_in(folder: Path, population: Population) -> Path:
    """The folder of a model of these users, trained if there is none."""
    registry = Registry(folder)
    try:
        return registry.fetch("candidate")
    except ModelError:
        log = population.dataset
        train(
            log.clicks,
            log.items.with_columns(category=pl.lit(None, pl.String)),
            registry,
            sessions=SessionConfig(),
            config=TrainConfig(minutes=1.5, themes=population.config.themes, threads=1),
            name="synthetic",
            on_progress=lambda stage, part, note: None,
        )
        return registry.fetch("candidate")


class Trial:
    """One drift, simulated as often as is asked."""

    def __init__(self, population: Population, folder: Path, *, drift_at: int, duration: int, every: int) -> None:
        self._population, self._folder, self._every = population, folder, every
        self._drift_at, self._duration = drift_at, duration

    def oracle(self) -> Router:
        """The router that is fitted on what happened after the drift."""
        way, kept = self._served("online"), KeptVisits()
        revise_by(way, every=self._every)
        way.parts.append(kept)
        base, begin = way.recommender.router, self._run([way])[1]
        return oracle_router(base, [v for v in kept.visits if v.watermark >= begin + self._drift_at])

    def compare(self, oracle: Router) -> Measured:
        """Frozen, oracle and online on the same requests."""
        frozen, best, online = (self._served(name) for name in ("frozen", "oracle", "online"))
        shelf = revise_by(online, every=self._every)
        measured, _ = self._run([frozen, best, online], oracle=(best, oracle))
        print(f"revisions: {dict(shelf.told)}\n")
        return measured

    def _served(self, name: str) -> Served:
        return Served(name, Recommender.load(self._folder), load_config(self._folder).sizes)

    def _run(self, served: list[Served], oracle: tuple[Served, Router] | None = None) -> tuple[Measured, int]:
        stated = load_config(self._folder)
        loop = virtual_loop(
            self._population,
            served,
            LoopConfig(habits=Habits(absence=2.0 * HOUR, organic=0.8), drift=Drift(at=self._drift_at)),
            StreamRules(),
            half_lives=(stated.half_life_ms, stated.co_click_half_life_ms),
        )
        begin, waiting = loop.begin, [oracle] if oracle else []

        def swap(time: int) -> None:
            while waiting and time >= self._drift_at:
                way, router = waiting.pop()
                way.use(router)

        return loop.run(self._duration, lambda now: swap(now.time)), begin


def rows(measured: Measured, drift_at: int, duration: int) -> list[str]:
    """A row before the drift, and one for each stretch of sessions after it."""
    after = np.sort(measured.closed[measured.closed >= drift_at])
    ends = [drift_at, *(int(after[n]) for n in SESSIONS[1:] if n < len(after)), duration]
    labels = ["before", *(f"{a:,} to {b:,}" for a, b in zip(SESSIONS, [*SESSIONS[1 : len(ends) - 1], len(after)]))]  # noqa: B905
    made = []
    for label, begin, end in zip(labels, [HOUR, *ends], ends, strict=False):
        quality = [measured.quality(way, begin, end).mean for way in range(3)]
        themes = [measured.agreement(way, begin, end) for way in range(3)]
        gain = measured.gain(2, 0, begin, end)
        shares = [f"{regained(one[2], one[0], one[1]):.0%}" if begin >= drift_at else "" for one in (themes, quality)]
        cells = [*(f"{x:.3f}" for x in themes), shares[0], *(f"{x:.3f}" for x in quality), shares[1]]
        made.append(f"| {label} | {' | '.join(cells)} | {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] |")
    return made


def main() -> None:
    """Train, simulate twice, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="where the model is kept (default: nowhere)")
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--drift-at", type=float, default=4.0)
    parser.add_argument("--every", type=int, default=250, help="sessions between two revisions")
    options = parser.parse_args()
    torch.set_num_threads(1)
    population = populate(SyntheticConfig(users=options.users, themes=8, items_per_theme=40))
    drift_at, duration = round(options.drift_at * HOUR), round(options.hours * HOUR)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = model_in(options.home or Path(nowhere), population)
        trial = Trial(population, folder, drift_at=drift_at, duration=duration, every=options.every)
        measured = trial.compare(trial.oracle())
    print(f"{len(measured.time):,} requests, {len(measured.closed):,} sessions, {measured.clicks.sum():,} clicks\n")
    of = "frozen | oracle | online | regained"
    print(f"| sessions since the drift | NMI {of} | NDCG {of} | online - frozen |\n|---{10 * '|---'}|")
    print(*rows(measured, drift_at, duration), sep="\n")


if __name__ == "__main__":
    main()
