"""What a model is worth that has learned from few clicks, as that of a new shop.

    MOS_DATA_DIR=... python benchmarks/small_logs.py amazon_beauty gowalla_1000_users [--clicks 3000 10000]

Of each log users are drawn who have about so many clicks together, none of them more than a fifth. A model is trained
on the first 70 % of the clicks, as `mos train` does. The real recommender answers the others on a virtual clock.
Popularity and co-clicks are live, about fifty clicks old at most. Beside it are popularity and item-kNN, which know
every click at once; their settings are those that the training chose.

Prints Markdown: NDCG@10 of the next click at the start of sessions and inside them, and of lists for the next session.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch
from model_age import INSIDE, NEXT, START, watched

from mos_cli.demo.log import cut
from mos_online.errors import MosError
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from mos_online.training.config import TrainConfig
from mos_online.training.train import train
from simulator.dataset import Dataset
from simulator.datasets.loader import load
from simulator.whole_days import with_clock

LARGEST = 0.2
"""No user has a larger share of the clicks."""

LEARNED = "0.7"
NAMES = ("MoS", "popularity", "item-kNN")


def drawn(whole: Dataset, clicks: int) -> Dataset:
    """Some users of a log, and the items that they met."""
    counts = whole.events.group_by("user_id").len().sort("user_id")
    users = list(counts.iter_rows())
    random.Random(1).shuffle(users)
    chosen, total = [], 0
    for user, count in users:
        if count <= LARGEST * clicks and total < clicks:
            chosen.append(user)
            total += count
    events = whole.events.filter(pl.col("user_id").is_in(chosen))
    met = events["item_id"].unique().to_list()
    return replace(whole, events=events, items=whole.items.filter(pl.col("item_id").is_in(met)))


def _quiet(stage: str, part: float, words: str) -> None:
    """Say nothing about the progress of a training."""


def measured(log: Dataset, folder: Path, minutes: float) -> list[str]:
    """The rows of a log, as cells."""
    part, rules = cut(log, start=LEARNED, count=len(log.clicks)), log.session_rules(SessionConfig())
    learned = part.before
    config = TrainConfig(minutes=minutes)
    train(
        learned.clicks,
        learned.items,
        Registry(folder),
        sessions=rules,
        config=config,
        name=log.name,
        on_progress=_quiet,
    )
    way = watched(Registry(folder).fetch("candidate"), part, rules, refresh=50)
    rows = []
    for kind in (START, INSIDE, NEXT):
        judge, name = way.judge_ahead if kind == NEXT else way.judge, f"{kind}/0"
        if name not in judge.kinds:
            continue
        found = judge.result(name)
        cells = [kind, f"{found.requests:,}", *(f"{found.ndcg[one].mean:.4f}" for one in NAMES)]
        for one in NAMES[1:]:
            gain = found.ndcg_difference[one]
            cells.append(f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
        rows.append(" | ".join(cells))
    return rows


def main() -> None:
    """Train and replay each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--clicks", type=int, nargs="+", default=[3_000, 10_000])
    parser.add_argument("--minutes", type=float, default=3.0, help="to fit each model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| log | clicks | place | requests | {' | '.join(NAMES)} | MoS - popularity | MoS - item-kNN |")
    print("|---" * 9 + "|")
    for name in options.datasets:
        whole = with_clock(load(name, Settings().data_dir), SessionConfig())
        for clicks in options.clicks:
            log = drawn(whole, clicks)
            begun = f"| {name} | {len(log.clicks):,}"
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rows = measured(log, Path(folder), options.minutes)
                except MosError as error:
                    rows = [f"{error} | | | | | |"]
            for row in rows:
                print(f"{begun} | {row} |", flush=True)


if __name__ == "__main__":
    main()
