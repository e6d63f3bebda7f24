"""Item popularity: does the service list what training lists, and what does it cost a replica to take the lists in?

Run: python benchmarks/popularity.py [--dataset globo_news] [--clicks 300000]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
import torch
from random_router import random_checkpoint

from mos_online.contracts import Click, EventTypes, SessionEvent
from mos_online.items.clicks import to_clicks
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot, merge
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.sessions import SessionConfig
from mos_online.settings import settings
from simulator.datasets import load
from simulator.partition import partition_of

TYPES = EventTypes.parse()
HALF_LIFE = 4 * 3_600_000.0
PARTITIONS = (1, 4, 8)
ITEMS, THEMES, WIDTH = 20_000, 12, 48


def lists(clicks: list[Click], partitions: int) -> list[PopularitySnapshot]:
    """What the processors of so many partitions would write."""
    counts = [
        ItemPopularity(gap_ms=SessionConfig().gap, half_life_ms=HALF_LIFE, partition=number)
        for number in range(partitions)
    ]
    for click in clicks:
        counts[partition_of(click.user_id.encode(), partitions)].observe(click, TYPES)
    return [one.snapshot(top=LISTED_ITEMS) for one in counts]


def shares(snapshot: PopularitySnapshot) -> dict[str, float]:
    """Slow plus fast share of the clicks of each listed item: what they are listed by."""
    rows = zip(snapshot.item_ids, snapshot.counts, snapshot.slow_counts, strict=True)
    return {item: fast / snapshot.total + slow / snapshot.slow_total for item, fast, slow in rows}


def compare(clicks: list[Click]) -> None:
    """The service's list beside training's, for several numbers of partitions."""
    (trained,) = lists(clicks, 1)
    expected = shares(trained)
    print("| partitions | listed | of training's list | of its first 1,000 | largest difference of a share |")
    print("|---:|---:|---:|---:|---:|")
    for partitions in PARTITIONS:
        merged = shares(merge(lists(clicks, partitions), half_life_ms=HALF_LIFE, top=LISTED_ITEMS))
        both = len(merged.keys() & expected.keys())
        first = sum(item in merged for item in trained.item_ids[:1000])
        worst = max(abs(merged.get(item, 0.0) - share) for item, share in expected.items())
        print(f"| {partitions} | {len(merged):,} | {both:,} | {first:,} | {worst:.2e} |")


def recommender(names: list[str]) -> Recommender:
    """A model with random weights over ``ITEMS`` items."""
    return Recommender(random_checkpoint(names, themes=THEMES, width=WIDTH, half_life_ms=1))


def milliseconds(work: Callable[[], object], times: int, clock: Callable[[], float]) -> list[float]:
    """How long ``work`` takes, again and again, by ``clock`` (s)."""
    taken = []
    for _ in range(times):
        started = clock()
        work()
        taken.append(1000 * (clock() - started))
    return taken


def cost() -> None:
    """Time to take in eight full lists, and what scoring notices of it."""
    torch.set_num_threads(1)
    names = [f"item-{n:06}" for n in range(ITEMS)]
    rng = np.random.default_rng(1)
    snapshots = []
    for number in range(8):
        chosen = rng.choice(ITEMS, LISTED_ITEMS, replace=False)
        counts = np.sort(rng.pareto(1.0, LISTED_ITEMS))[::-1].tolist()
        snapshots.append(
            PopularitySnapshot(
                partition=number,
                as_of=1_000_000 + number,
                total=sum(counts),
                slow_total=sum(counts),
                start_total=sum(counts) / 2,
                slow_start_total=sum(counts) / 2,
                item_ids=[names[n] for n in chosen],
                counts=counts,
                slow_counts=counts,
                start_counts=[count / 2 for count in counts],
                slow_start_counts=[count / 2 for count in counts],
                first_seen=[0] * LISTED_ITEMS,
                categories=["news"] * LISTED_ITEMS,
                users=[2**256 - 1] * LISTED_ITEMS,
            )
        )
    service = recommender(names)
    events = [SessionEvent(event_id=f"e{n}", item_id=names[n], timestamp=n) for n in range(5)]
    query = Query(user_id="u", profile=None, events=events, timestamp=10, k=10, exclude=[])
    merging = milliseconds(lambda: merge(snapshots, half_life_ms=HALF_LIFE, top=LISTED_ITEMS), 30, time.thread_time)
    taking = milliseconds(lambda: service.observe_popularity(snapshots), 30, time.thread_time)
    alone = milliseconds(lambda: service.recommend([query]), 300, time.perf_counter)
    stopped = threading.Event()

    def refresh() -> None:
        while not stopped.wait(0.1):
            service.observe_popularity(snapshots)

    thread = threading.Thread(target=refresh)
    thread.start()
    beside = milliseconds(lambda: service.recommend([query]), 1000, time.perf_counter)
    stopped.set()
    thread.join()
    print(f"8 lists of {LISTED_ITEMS:,}, {ITEMS:,} items:")
    print(f"  merged in {statistics.median(merging):.1f} ms; taken in, with the candidates, in", end=" ")
    print(f"{statistics.median(taking):.1f} ms (processor time of one thread)")
    for label, taken in (("alone", alone), ("while lists are taken in ten times a second", beside)):
        p50, p99 = np.percentile(taken, [50, 99])
        print(f"  a request, {label}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {max(taken):.1f} ms")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="globo_news")
    parser.add_argument("--clicks", type=int, default=300_000)
    options = parser.parse_args()
    log = load(options.dataset, settings().data_dir)
    clicks = to_clicks(log.clicks.tail(options.clicks), log.categories)
    print(f"{options.dataset}, the last {len(clicks):,} clicks, {len({c.item_id for c in clicks}):,} items\n")
    compare(clicks)
    print()
    cost()


if __name__ == "__main__":
    main()
