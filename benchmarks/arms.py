"""What the arms of experiments cost: the latency of a replica at some rates of requests, and its memory.

    python benchmarks/arms.py [--items 20000] [--requests 4000]

Requests arrive at random times, and are answered by the lineup as the scorer does it: what waits is scored together.
Time is the processor time of scoring, so that other programs on the machine do not count; reading profiles and HTTP are
not in it. The same requests are answered with no experiment, by two arms that are the same model and router, and by a
frozen and an online router, half the users each. The model has random weights.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
import psutil
import torch
from click_probabilities import recommender
from co_clicks import counted

from mos_online.contracts import SessionEvent
from mos_online.experiments.changes import started
from mos_online.experiments.in_force import InForce
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.treatment import Treatments
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from serving.scoring.in_service import InService
from serving.scoring.lineup import Lineup

PLAN = """
layers:
  - name: home
    experiments:
      - {name: e, buckets: [[0, 10000]], control: a, arms: [{name: a, A}, {name: b, B}], primary: ctr}
"""
RATES = (50, 100, 200, 400)
MOST = 16
TURNS = 10
"""Of each of those that are compared, at each rate."""


def treatments(a: str, b: str) -> Treatments:
    """Of an experiment of all users with two arms."""
    plan = parse_plan(PLAN.replace("A}", f"{a}}}").replace("B}", f"{b}}}"))
    return Treatments(started(InForce(), plan, lambda version: version, now=0))


def lineups(champion: Recommender, co_clicks: Sequence[CoClickSnapshot]) -> Mapping[str, Lineup]:
    """What is compared; each further router is a recommender of its own that shares the weights."""
    first = InService(champion, None)
    found = {"no experiment": Lineup(champion=first, arms={})}
    same = treatments("exploration: 0.0", "exploration: 0.0")
    found["two arms, one router"] = Lineup(champion=first, treatments=same, arms=dict.fromkeys(same.all(), first))
    other = treatments("router: frozen", "router: online")
    branches: dict[str, InService] = {}
    for router in ("frozen", "online"):
        branch = champion.branched(own_router=True)
        branch.observe_co_clicks(co_clicks)
        branches[router] = InService(branch, None)
    arms = {one: first if one.learner == "champion" else branches[one.router] for one in other.all()}
    found["two arms, two routers"] = Lineup(champion=first, treatments=other, arms=arms)
    return found


def queries(names: list[str], count: int) -> list[Query]:
    """Users with ten clicks in an open session."""
    rng = np.random.default_rng(0)
    made = []
    for user in range(count):
        rows = rng.choice(len(names), 10).tolist()
        events = [SessionEvent(event_id=f"e{n}", item_id=names[row], timestamp=n) for n, row in enumerate(rows)]
        made.append(Query(user_id=f"u{user}", profile=None, events=events, timestamp=100, k=10, exclude=[]))
    return made


def latencies(lineup: Lineup, asked: list[Query], arrivals: list[float]) -> list[float]:
    """Milliseconds from the arrival of each query to its answer, while time is what scoring takes."""
    now, begin, found = 0.0, 0, []
    most = MOST if lineup.treatments is None else 2 * MOST
    while begin < len(arrivals):
        now = max(now, arrivals[begin])
        end = min(bisect_right(arrivals, now), begin + most)
        for part in lineup.parts(asked[begin:end], most=MOST):
            began = time.thread_time()
            lineup.answers([asked[begin + place] for place in part.places], part.treated, store_down=False)
            now += time.thread_time() - began
            found += [1000 * (now - arrivals[begin + place]) for place in part.places]
        begin = end
    return found


def memory(champion: Recommender, copies: int = 10) -> float:
    """MiB of a further router of a model that is loaded."""
    process = psutil.Process()
    before = process.memory_info().rss
    held = [champion.branched(own_router=True) for _ in range(copies)]
    return float(process.memory_info().rss - before) / len(held) / 2**20


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=4_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [f"i{number}" for number in range(options.items)]
    champion, asked = recommender(names), queries(names, options.requests)
    compared = lineups(champion, [counted(names, 50_000, 0)])
    for lineup in compared.values():
        latencies(lineup, asked[:200], [0.0] * 200)
    for rate in RATES:
        found: dict[str, list[float]] = {name: [] for name in compared}
        for turn in range(TURNS):  # in turn, so that a machine that is slower for a while is so for all of them
            arrivals = np.cumsum(np.random.default_rng(turn).exponential(1 / rate, options.requests // TURNS)).tolist()
            for name, lineup in compared.items():
                found[name] += latencies(lineup, asked[: len(arrivals)], arrivals)
        alone = np.percentile(found["no experiment"], 99)
        for name, some in found.items():
            half, most = np.percentile(some, [50, 99])
            print(
                f"{rate:>4} a second  {name:24} p50 {half:.2f}  p99 {most:.2f} ms  {most / alone:.2f} of no experiment"
            )
    print(f"a further router of a loaded model: {memory(champion):.1f} MiB, {options.items:,} items")


if __name__ == "__main__":
    main()
