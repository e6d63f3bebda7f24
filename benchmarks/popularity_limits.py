"""Limits of the popularity: what do they cost on a recorded log?

Run: python benchmarks/popularity_limits.py [--dataset globo_news] [--half-life 0.25]
"""

from __future__ import annotations

import argparse

import polars as pl

from mos_online.contracts import Click, EventTypes
from mos_online.items.clicks import to_clicks
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, established
from mos_online.items.user_limits import UserLimits, UserSums
from mos_online.sessions import SessionConfig
from mos_online.settings import settings
from simulator.datasets import load

ITEM_LIMITS, USER_LIMITS = (1.0, 3.0, 5.0, 10.0), (50.0, 100.0, 200.0)
USERS = (1, 5, 20, 60, 100, 200)
WITHOUT = 1e9
EVERY = 200
"""One click in so many is predicted."""


def cut_share(clicks: list[Click], types: EventTypes, limits: UserLimits) -> float:
    """The share of the weight of all clicks that the limits cut off."""
    sums, given, added = UserSums(limits), 0.0, 0.0
    for click in clicks:
        weight = types[click.event_type].weight
        given += weight
        added += sums.allowed(click.user_id, click.item_id, click.timestamp, weight)
    return 1 - added / given


def hit_rates(clicks: list[Click], begin: int, types: EventTypes, half_life_ms: float) -> list[float]:
    """Hit-rate of the ten most popular items for the next click, if new items need ``USERS``."""
    counts = ItemPopularity(gap_ms=SessionConfig().gap, half_life_ms=half_life_ms, partition=0)
    known = {click.item_id for click in clicks[:begin]}
    hits, asked = [0] * len(USERS), 0
    for number, click in enumerate(clicks):
        if number >= begin and number % EVERY == 0:
            asked += 1
            snapshot = counts.snapshot(top=LISTED_ITEMS)
            for place, users in enumerate(USERS):
                found = established(snapshot, known, users=users)
                best = sorted(zip(found.counts, found.item_ids, strict=True), reverse=True)[:10]
                hits[place] += click.item_id in {item for _, item in best}
        counts.observe(click, types)
    return [found / asked for found in hits]


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="globo_news")
    parser.add_argument("--half-life", type=float, default=0.25, help="hours")
    options = parser.parse_args()
    log, types = load(options.dataset, settings().data_dir), EventTypes.parse(settings().event_types)
    clicks = to_clicks(log.clicks.sort("timestamp", "event_id"), log.categories)
    users = log.clicks.select(pl.col("user_id").n_unique()).item()
    print(f"{options.dataset}: {len(clicks):,} clicks of {users:,} users\n")
    print("| limit in an hour | share of the weight that it cuts off |\n|---|---:|")
    for per_item in ITEM_LIMITS:
        share = cut_share(clicks, types, UserLimits(per_item=per_item, in_all=WITHOUT))
        print(f"| {per_item:g} for an item | {share:.3%} |")
    for in_all in USER_LIMITS:
        share = cut_share(clicks, types, UserLimits(per_item=WITHOUT, in_all=in_all))
        print(f"| {in_all:g} in all | {share:.3%} |")
    begin = int(0.8 * len(clicks))
    print("\n| users that a new item needs | hit-rate at 10 of the popular items |\n|---:|---:|")
    for needed, rate in zip(USERS, hit_rates(clicks, begin, types, options.half_life * 3_600_000), strict=True):
        print(f"| {needed} | {rate:.4f} |")


if __name__ == "__main__":
    main()
