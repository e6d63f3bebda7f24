"""Are planted themes found? Agreement of the router's themes with the population's, on sessions that it has not seen.

    python benchmarks/planted_themes.py [--seeds 3] [--users 2000]

Prints Markdown: by the share of events that are noise, by the number of themes asked for, and by how many sessions
there were to learn from. A session's true theme is the one of most of its events; sessions of one event are left out.
About two minutes on one core.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import polars as pl

from mos_online.metrics.agreement import mutual_information
from mos_online.themes import RouterConfig, fit_router
from simulator.population import SyntheticConfig, synthesize

PLANTED = 8
NOISES = (0.0, 0.1, 0.2, 0.3, 0.4)
ASKED = (4, 8, 12, 16)
LENGTHS = (250, 500, 1000, 2000, 4000, 8000)
BASE = SyntheticConfig(themes=PLANTED, noise=0.1)


def unseen(log: pl.DataFrame, planted: dict[str, str]) -> tuple[list[list[str]], list[str]]:
    """Items and true theme of each session of two or more events."""
    sessions = log.group_by("session_id", maintain_order=True).agg("item_id").filter(pl.col("item_id").list.len() > 1)
    items = sessions["item_id"].to_list()
    kinds = [np.unique([planted[item] for item in session], return_counts=True) for session in items]
    return items, [str(names[counts.argmax()]) for names, counts in kinds]


def found(config: SyntheticConfig, themes: int, sessions: int | None = None) -> tuple[float, float]:
    """Agreement on unseen sessions, and share of them that fit no theme; learned from the first half of the log."""
    made = synthesize(config)
    half = len(made.events) // 2
    old, new = made.events.head(half), made.events.tail(len(made.events) - half)
    begun = set(old["session_id"])
    if sessions is not None:
        kept = old["session_id"].unique(maintain_order=True).tail(sessions)
        old = old.filter(pl.col("session_id").is_in(kept.implode()))
    planted = dict(zip(made.items["item_id"], made.items["category"], strict=True))
    items, true = unseen(new.filter(~pl.col("session_id").is_in(list(begun))), planted)
    nameless = made.items.with_columns(category=pl.lit(None, pl.String))  # categories would give the answer away
    router = fit_router(old, nameless, RouterConfig(themes=themes, seed=config.seed))
    names = [name for session in items for name in session]
    routed = router.session_themes(names, [None] * len(names), [len(session) for session in items])
    return mutual_information(routed, true), float(np.mean([theme == 0 for theme in routed]))


def line(name: str, figures: list[tuple[float, float]]) -> str:
    """A row: mean, least and most agreement over the seeds, and the mean share unrouted."""
    agreement, unrouted = np.array(figures).T
    return (
        f"| {name} | {agreement.mean():.3f} | {agreement.min():.3f} | {agreement.max():.3f} | {unrouted.mean():.1%} |"
    )


def table(title: str, rows: list[str]) -> None:
    """Print one table."""
    print(f"| {title} | NMI, mean | least | most | unrouted |\n|---|---|---|---|---|")
    print(*rows, sep="\n", end="\n\n", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="populations per row")
    parser.add_argument("--users", type=int, default=2000)
    options = parser.parse_args()
    configs = [replace(BASE, users=options.users, seed=seed) for seed in range(options.seeds)]
    rows = [line(f"{n:.0%}", [found(replace(c, noise=n), PLANTED) for c in configs]) for n in NOISES]
    table(f"noise ({PLANTED} planted, {PLANTED} asked for)", rows)
    rows = [line(str(asked), [found(c, asked) for c in configs]) for asked in ASKED]
    table(f"themes asked for ({PLANTED} planted, {BASE.noise:.0%} noise)", rows)
    rows = [line(f"{size:,}", [found(c, PLANTED, size) for c in configs]) for size in LENGTHS]
    table(f"sessions learned from ({BASE.noise:.0%} noise)", rows)


if __name__ == "__main__":
    main()
