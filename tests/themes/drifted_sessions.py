"""Closed sessions of a population whose items trade places at one moment, with the true theme of each."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.themes.visits import Visit
from simulator.drift import plant_drift
from simulator.population import SyntheticConfig, synthesize


@dataclass(frozen=True)
class Drifted:
    """Sessions before and after the drift, by event time, and their planted themes."""

    router: Router
    quiet: list[Visit]
    quiet_true: list[str]
    late: list[Visit]
    true: list[str]


def drifted(config: SyntheticConfig, *, fitted: int, quiet: int) -> Drifted:
    """Fit a router without categories on the first sessions, and plant a drift so many quiet sessions later."""
    made = synthesize(config)
    ends = made.events.group_by("session_id").agg(pl.col("timestamp").max().alias("end")).sort("end", "session_id")
    at = int(ends["end"][fitted + quiet])
    late = plant_drift(made, at=at, moved=0.3, replaced=0.2, seed=config.seed)
    planted = dict(made.items.select("item_id", "category").iter_rows())
    nameless = made.items.with_columns(category=pl.lit(None, pl.String))
    early = made.events.filter(pl.col("session_id").is_in(ends["session_id"].head(fitted).implode()))
    router = fit_router(early, nameless, RouterConfig(themes=config.themes, seed=config.seed))
    events = late.events.with_columns(kind=made.events["item_id"].replace_strict(planted))
    visits, true = [], []
    grouped = events.group_by("session_id", maintain_order=True).agg("user_id", "item_id", "timestamp", "kind")
    for session, users, items, times, kinds in grouped.iter_rows():
        nothing: tuple[str | None, ...] = (None,) * len(items)
        visits.append(Visit(times[-1] + 1, session, users[0], tuple(items), nothing))
        true.append(max(sorted(set(kinds)), key=kinds.count))
    order = sorted(range(len(visits)), key=lambda number: visits[number].place)
    ordered, true = [visits[number] for number in order], [true[number] for number in order]
    return Drifted(
        router=router,
        quiet=ordered[fitted : fitted + quiet],
        quiet_true=true[fitted : fitted + quiet],
        late=ordered[fitted + quiet :],
        true=true[fitted + quiet :],
    )
