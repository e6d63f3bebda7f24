"""Requests per second of simulated users who are answered by the real recommender, on a virtual clock.

    python benchmarks/simulated_service.py [--requests 20000] [--ways 2]

One core. The model is not trained, which does not change what it costs; co-clicks are mixed in. With two ways of
serving, two recommenders answer every request. Sessions, profiles, counts and outcomes are those of the real code.
"""

from __future__ import annotations

import argparse
import time

import torch

from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.co_clicks import FACTS
from mos_online.model.config import MoSConfig
from mos_online.model.mixing import SOURCES
from mos_online.recommend.candidates import SPARE
from mos_online.recommend.recommender import Recommender
from mos_online.themes import RouterConfig, fit_router
from mos_online.users.ring_sizes import RingSizes
from simulator.loop.compose import LoopConfig, StreamRules, virtual_loop
from simulator.loop.config import HOUR, Drift
from simulator.loop.served import Served
from simulator.population import Population, SyntheticConfig, populate

HALF_LIVES = 24.0 * HOUR, 24.0 * HOUR


def checkpoint(population: Population) -> ModelCheckpoint:
    """A model of this population as ``mos train`` lays it out, with random weights."""
    log = population.dataset
    items = log.items["item_id"].to_list()
    router = fit_router(log.events, log.items, RouterConfig(themes=12))
    model = MoS(MoSConfig(backbone="pooling", items=len(items) + SPARE, themes=12, width=48, table=router.dimensions))
    model.item_theme[1 : len(items) + 1] = torch.from_numpy(router.item_themes(items, [None] * len(items)))
    model.mixing.set_weights(torch.full((SOURCES, FACTS), 0.5))
    return ModelCheckpoint(
        model=model,
        router=router,
        items=items,
        categories=[],
        popular=items[:200],
        half_life_ms=HALF_LIVES[0],
        co_click_half_life_ms=HALF_LIVES[1],
        training={},
    )


def main() -> None:
    """Print the rate, in processor time and on the clock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000, help="about so many")
    parser.add_argument("--ways", type=int, default=2, help="of serving, which all answer every request")
    options = parser.parse_args()
    torch.set_num_threads(1)
    population = populate(SyntheticConfig(users=2000))
    served = [Served(f"way {n}", Recommender(checkpoint(population)), RingSizes()) for n in range(options.ways)]
    duration = options.requests * HOUR // 1000
    config = LoopConfig(drift=Drift(at=duration // 2))
    loop = virtual_loop(population, served, config, StreamRules(), half_lives=HALF_LIVES)
    began, spent = time.perf_counter(), time.process_time()
    done = loop.run(duration)
    clock, processor = time.perf_counter() - began, time.process_time() - spent
    print(f"{len(done.time):,} requests in batches of 32, {done.clicks.sum():,} clicks on lists, {options.ways} ways:")
    print(
        f"{len(done.time) / processor:,.0f} requests/s of processor time, {len(done.time) / clock:,.0f}/s by the clock"
    )
    for way, name in enumerate(done.names):
        print(f"{name}: NDCG {done.quality(way, 0, duration).mean:.3f}, NMI {done.agreement(way, 0, duration):.3f}")


if __name__ == "__main__":
    main()
