"""A log whose items change, a champion that has learned too little, and the sessions that are kept after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from mos_online.contracts import Context, EventTypes, Session, SessionEvent
from mos_online.fine_tuning.config import FineTuneConfig
from mos_online.registry import Registry
from mos_online.registry.revisions import routers_of
from mos_online.sessions import SessionConfig
from mos_online.themes import load_router
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import RevisionConfig
from mos_online.themes.timeline import RouterTimeline
from mos_online.themes.updates import update_of
from mos_online.themes.visits import visit_of
from mos_online.training import TrainConfig, train
from simulator.dataset import Dataset
from simulator.population import SyntheticConfig, synthesize

GAP = 1_800_000
TRAINING = TrainConfig(themes=4, width=16, recent=10, theme_ring=8, minutes=5, epochs=1, threads=1, step=256, moment=64)
TUNING = FineTuneConfig(minutes=5, moment=64, fewest=100, most=1000, rate=5e-3)
TYPES = EventTypes.parse("*:1")


def population(*, users: int = 400, seed: int = 0) -> Dataset:
    return synthesize(
        SyntheticConfig(users=users, themes=4, items_per_theme=25, themes_per_user=2, days=20, noise=0.05, seed=seed)
    )


def sessions_of(events: pl.DataFrame) -> list[Session]:
    """The sessions that the publisher names, as the stream would close them."""
    made = []
    columns = ["user_id", "session_id", "event_id", "item_id", "timestamp"]
    for (user, name), rows in events.select(columns).group_by(["user_id", "session_id"], maintain_order=True):
        clicks = [
            SessionEvent(event_id=event, item_id=item, timestamp=time, event_type="click", context=_category(item))
            for event, item, time in rows.sort("timestamp").select("event_id", "item_id", "timestamp").iter_rows()
        ]
        made.append(
            Session(
                session_id=f"{user}:{name}",
                user_id=str(user),
                started_at=clicks[0].timestamp,
                ended_at=clicks[-1].timestamp,
                events=clicks,
                close_reason="gap",
                watermark=clicks[-1].timestamp + GAP + 1,
            )
        )
    return made


def _category(item: str) -> Context | None:
    """New items have none: the champion can tell nothing about them."""
    return None if item.startswith("new-") else {"category": item.rpartition("-")[0]}


def half(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first and the second half of a log, by time."""
    return events.head(len(events) // 2), events.tail(len(events) - len(events) // 2)


def renamed(events: pl.DataFrame, items: Iterable[str]) -> pl.DataFrame:
    """The same, where these items have been replaced by new ones that are clicked in their place."""
    new = {item: f"new-{item}" for item in items}
    return events.with_columns(pl.col("item_id").replace(new))


def drifted(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The same, where every tenth item has been replaced by a new one."""
    return renamed(events, sorted(items["item_id"])[::10])


def revised_once(registry: Registry, champion: str, sessions: Sequence[Session]) -> RouterTimeline:
    """Put a revision into service that was made from the first third of these sessions."""
    base = load_router(registry.fetch(champion))
    visits = sorted(map(visit_of, sessions))[: len(sessions) // 3]
    update = update_of(
        base,
        revise(base, visits, RevisionConfig(), sequence=1),
        arm="champion",
        effective_from=visits[-1].watermark + 2000,
        through=visits[-1].place,
        sessions=len(visits),
    )
    registry.routers(base.epoch).add(update)
    return routers_of(registry, base)


def train_champion(registry: Registry, events: pl.DataFrame, items: pl.DataFrame) -> str:
    """Train on these events, and put the model into service without a check."""
    report = train(
        events,
        items,
        registry,
        sessions=SessionConfig(event_types="*:1"),
        config=TRAINING,
        name="synthetic",
        on_progress=lambda *_: None,
    )
    return registry.promote(report.version, lambda _: None)
