"""Co-clicks: what they cost to count, to store, to take into a replica, and in each request.

Run: python benchmarks/co_clicks.py [--items 100000] [--clicks 400000] [--partitions 4]
"""

from __future__ import annotations

import argparse
import copy
import resource
import statistics
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from random_router import random_checkpoint

from mos_online.contracts import SessionEvent
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot
from mos_online.model.co_clicks import FACTS
from mos_online.model.mixing import SOURCES
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender

HALF_LIFE, GAP = 24 * 3_600_000.0, 1_800_000
TOGETHER = 100
"""Clicks that are counted at once, as in a record of the stream."""
THEMES, WIDTH, QUERIES = 12, 48, 500
CONSTANT = 0.5


def main() -> None:
    """Count, store, take in and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--clicks", type=int, default=400_000, help="of each partition")
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [f"item-{number:07}" for number in range(options.items)]
    snapshots = [counted(names, options.clicks, partition) for partition in range(options.partitions)]
    size = [stored_bytes(one) for one in snapshots]
    pairs = [len(one.weights) // 4 for one in snapshots]
    listed = len({item for one in snapshots for item in one.item_ids})
    print(f"  stored: {max(pairs):,} pairs and {max(size) / 2**20:.1f} MiB of a partition,", end=" ")
    print(f"{sum(size) / 2**20:.1f} MiB of {options.partitions} partitions for {listed:,} items")
    request_cost(names, snapshots)


def counted(names: list[str], clicks: int, partition: int) -> CoClickSnapshot:
    """The co-clicks of a partition, from sessions of three clicks on items of a power law, near each other."""
    random = np.random.default_rng(partition)
    began = (len(names) * random.power(0.4, clicks // 3)).astype(np.int64)
    rows = ((began[:, None] + random.integers(-20, 21, (clicks // 3, 3))) % len(names)).ravel().tolist()
    counts = CoClicks(half_life_ms=HALF_LIFE, window_ms=GAP, partition=partition)
    before = memory()
    started = time.process_time()
    for begin in range(0, len(rows), TOGETHER):
        pairs, times, weights = array("q"), list[int](), list[float]()
        for at in range(begin, min(begin + TOGETHER, len(rows))):
            counts.count(f"u{at // 3}", names[rows[at]], 1000 * at, pairs, weights)
            times += [1000 * at] * (len(pairs) - len(times))
        counts.weigh(pairs, times, weights)
    spent = time.process_time() - started
    snapshot = counts.snapshot()
    if not partition:
        taken = milliseconds(counts.snapshot, 5)
        print(f"{len(names):,} items, {len(rows):,} clicks of a partition:")
        print(f"  {1e6 * spent / len(rows):.1f} us of a click; {len(counts):,} pairs counted,", end=" ")
        print(f"{memory() - before:.0f} MiB; a snapshot is made in {statistics.median(taken):.0f} ms")
    return snapshot


def request_cost(names: list[str], snapshots: list[CoClickSnapshot]) -> None:
    """A replica whose model has nothing mixed in, and one with neighbours and popularity; in turn, and in batches."""
    checkpoint = random_checkpoint(names, themes=THEMES, width=WIDTH, half_life_ms=HALF_LIFE)
    plain = replace(checkpoint, model=copy.deepcopy(checkpoint.model))
    checkpoint.model.mixing.set_weights(torch.full((SOURCES, FACTS), CONSTANT))
    alone, mixed = Recommender(plain), Recommender(checkpoint)
    for service in (alone, mixed):
        service.observe_popularity([popularity(names[:LISTED_ITEMS])])
    taking = milliseconds(lambda: mixed.observe_co_clicks(snapshots), 10)
    print(f"  taken into a replica in {statistics.median(taking):.0f} ms (processor time of its refreshing thread)")
    random = np.random.default_rng(9)
    began = (len(names) * random.power(0.4, (QUERIES, 10))).astype(np.int64) % len(names)
    queries = [
        Query(
            user_id="u",
            profile=None,
            events=[SessionEvent(event_id=f"e{n}", item_id=names[row], timestamp=n) for n, row in enumerate(rows)],
            timestamp=100,
            k=10,
            exclude=[],
        )
        for rows in began.tolist()
    ]
    for size in (1, 16):
        batches = [queries[begin : begin + size] for begin in range(0, QUERIES, size)]
        taken: dict[str, list[float]] = {"without": [], "with": []}
        for batch in batches:
            for who, service in (("without", alone), ("with", mixed)):
                (spent,) = milliseconds(partial(service.recommend, batch), 1)
                taken[who].append(spent / len(batch))
        p50, more = (statistics.median(taken[who]) for who in ("without", "with"))
        print(f"  a request, {size} at once: {p50:.2f} ms by the model alone, {more:.2f} ms mixed", end=" ")
        print("(median processor time)")


def popularity(names: list[str]) -> PopularitySnapshot:
    """Items that are popular by a power law."""
    counts = [1e6 / place for place in range(1, len(names) + 1)]
    return PopularitySnapshot(
        partition=0,
        as_of=1,
        total=sum(counts),
        slow_total=sum(counts),
        start_total=sum(counts) / 2,
        slow_start_total=sum(counts) / 2,
        item_ids=names,
        counts=counts,
        slow_counts=counts,
        start_counts=[count / 2 for count in counts],
        slow_start_counts=[count / 2 for count in counts],
        first_seen=[0] * len(names),
        categories=[""] * len(names),
        users=[0] * len(names),
    )


def stored_bytes(snapshot: CoClickSnapshot) -> int:
    """Bytes of the columns of a row."""
    numbers = len(snapshot.neighbours) + len(snapshot.weights) + len(snapshot.lengths)
    return numbers + sum(len(item) for item in snapshot.item_ids)


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    """Processor time of this thread for ``work``, again and again."""
    taken = []
    for _ in range(times):
        started = time.thread_time()
        work()
        taken.append(1000 * (time.thread_time() - started))
    return taken


def memory() -> float:
    """The most memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
