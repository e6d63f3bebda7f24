"""Requests per second of simulated users who answer a ranker without a model.

    python benchmarks/simulated_users.py [--users 50000] [--days 14]

One core, in memory: what the simulation itself costs. Half of the users are in an arm with a planted effect, and a
drift is planted in the middle.
"""

from __future__ import annotations

import argparse
import time

from simulator.loop.config import HOUR, Arm, Drift, Habits
from simulator.loop.rounds import run_rounds
from simulator.population import SyntheticConfig, populate


def main() -> None:
    """Print the rate, the best of three runs, and what the users of each arm did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--days", type=int, default=14)
    options = parser.parse_args()
    population = populate(SyntheticConfig(users=options.users))
    duration = options.days * 24 * HOUR
    arms = [Arm(name="control"), Arm(name="treated", effect=0.1)]
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        done = run_rounds(population, habits=Habits(), arms=arms, duration=duration, drift=Drift(at=duration // 2))
        best = max(best, done.requests.sum() / (time.perf_counter() - began))
    print(f"{done.requests.sum():,} requests of {options.users:,} users in lists of 10: {best:,.0f} requests/s")
    for number, arm in enumerate(arms):
        of = done.arm == number
        requests = done.requests[of].sum()
        print(
            f"{arm.name:<10}{of.sum():>8,} users, {done.clicks[of].sum() / requests:.3f} clicks and NDCG "
            f"{done.ndcg[of].sum() / requests:.3f} per list"
        )


if __name__ == "__main__":
    main()
