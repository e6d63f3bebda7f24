"""How well popularity alone ranks, at the start of sessions and inside them: of all clicks, and of those at that place.

    MOS_DATA_DIR=... python benchmarks/popular_places.py [--dataset globo_news ...] [--begin 0.7] [--end 0.8]

Replays a part of each log and asks for the ten most popular items before each click, as the service counts them with
its shorter half-life. It is chosen on the clicks before, as `mos train` chooses it. What is popular is at most a
hundred clicks old. What a user had is left out. When a session closes, the list for the user's next one is judged by
the first click of that.

Prints Markdown: NDCG@10 with 95 % intervals over the users.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from typing import NamedTuple

from mos_online.baselines import HadItems, choose_half_life
from mos_online.items.places import Place, shares_at
from mos_online.items.popularity import WARM_UP_CLICKS, ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot
from mos_online.metrics import ndcg, paired_difference
from mos_online.sessions import SessionConfig
from mos_online.settings import settings
from mos_online.training.click_log import ClickLog
from simulator.datasets import load

LOGS = ("globo_news", "amazon_beauty", "amazon_grocery_no_tail", "steam_australian", "movielens_100k")
K, EVERY = 10, 100
START, INSIDE, NEXT = "start of a session", "inside a session", "the next session"
PLACES = {START: Place.START, INSIDE: Place.INSIDE, NEXT: Place.START}


class Judged(NamedTuple):
    """Gains of lists: by all clicks, and by those at the place; and the user of each."""

    anywhere: list[float]
    here: list[float]
    users: list[str]


def ranked(snapshot: PopularitySnapshot) -> list[list[str]]:
    """The items by their popularity at each place."""
    orders = (-shares_at(snapshot)[:, :, 0]).argsort(1, kind="stable")
    return [[snapshot.item_ids[row] for row in order] for order in orders.tolist()]


def replay(name: str, begin: float, end: float) -> tuple[float, dict[str, Judged]]:
    """The half-life (hours), and what was judged of each kind."""
    log = load(name, settings().data_dir)
    rules = log.session_rules(SessionConfig())
    count = len(log.events)
    half_life = choose_half_life(log.events.head(int(begin * count)))
    cut = ClickLog.cut(
        log.events.head(int(end * count)).tail(int((end - begin) * count) + WARM_UP_CLICKS), log.items, rules
    )
    first = len(cut.order) - int((end - begin) * count)
    counts = ItemPopularity(half_life_ms=half_life, gap_ms=rules.gap, partition=0)
    found = {kind: Judged([], [], []) for kind in PLACES}
    had, lists = HadItems(), ranked(counts.snapshot(top=0))
    closing: list[tuple[int, str]] = []
    newest: dict[str, int] = {}
    waiting: dict[str, tuple[Sequence[str], Sequence[str]]] = {}

    def of(user: str, kind: str) -> tuple[list[str], list[str]]:
        known = set(had.of(user))
        both = (lists[Place.ANYWHERE], lists[PLACES[kind]])
        anywhere, here = ([item for item in one[: K + len(known)] if item not in known][:K] for one in both)
        return anywhere, here

    def judge(kind: str, user: str, item: str, anywhere: Sequence[str], here: Sequence[str]) -> None:
        found[kind].anywhere.append(ndcg(anywhere, item))
        found[kind].here.append(ndcg(here, item))
        found[kind].users.append(user)

    for number, click in enumerate(cut.clicks):
        user, item, time = click.user_id, click.item_id, click.timestamp
        if number >= first:
            if (number - first) % EVERY == 0:
                lists = ranked(counts.snapshot(top=LISTED_ITEMS))
            while closing and closing[0][0] < time:
                at, closed = heapq.heappop(closing)
                if newest[closed] + rules.gap == at:
                    waiting[closed] = of(closed, NEXT)
            kind = START if user not in newest or time - newest[user] > rules.gap else INSIDE
            if kind == START and user in waiting:
                judge(NEXT, user, item, *waiting.pop(user))
            judge(kind, user, item, *of(user, kind))
            heapq.heappush(closing, (time + rules.gap, user))
        newest[user] = time
        had.observe(click)
        counts.observe(click, cut.types)
    return half_life / 3_600_000, found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", action="append")
    parser.add_argument("--begin", type=float, default=0.7)
    parser.add_argument("--end", type=float, default=0.8)
    options = parser.parse_args()
    print("| log | half-life, hours | lists for | lists | of all clicks | of those at its place | difference |")
    print("|---|---|---|---|---|---|---|")
    for name in options.dataset or LOGS:
        half_life, found = replay(name, options.begin, options.end)
        for kind, one in found.items():
            means = " | ".join(f"{sum(gains) / len(gains):.4f}" for gains in (one.anywhere, one.here))
            by = paired_difference(one.here, one.anywhere, one.users)
            interval = f"{by.mean:+.4f} [{by.low:+.4f}, {by.high:+.4f}]"
            print(f"| {name} | {half_life:g} | {kind} | {len(one.users):,} | {means} | {interval} |", flush=True)


if __name__ == "__main__":
    main()
