"""Fills the online store from a log, with a progress bar; for ``mos backfill`` and ``mos demo``."""

from __future__ import annotations

import polars as pl
from rich.console import Console

from features.backfill import fill
from features.store import OnlineStore
from mos_cli.progress import progress_bar
from mos_online.contracts import EventTypes
from mos_online.items.clicks import to_clicks
from mos_online.items.co_clicks import CoClicks
from mos_online.items.popularity import WARM_UP_CLICKS, ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.registry import load_config, open_registry
from mos_online.registry.revisions import routers_of
from mos_online.settings import Settings
from mos_online.themes import load_router
from mos_online.users.offline_profiles import past_sessions, profiles
from mos_online.users.progress import Progress
from simulator.dataset import Dataset

PAIRED_CLICKS = 2_000_000
"""Co-clicks are counted of so many newest clicks; they stay true for longer than popularity."""


def backfill_and_show(log: Dataset, clicks: pl.DataFrame, *, settings: Settings, console: Console) -> int:
    """Write what the stream would know now, had it seen the log: profiles of these clicks' users, and counts of items.

    Popularity and co-clicks are written only if the store has none: a worker may be counting, or have counted, the same
    clicks.

    Args:
        log: all clicks until now, for the counts, and the items.
        clicks: those of the users whose profiles are made.
        settings: of the store, the sessions and the model in service.
        console: for the bar and the result.

    Returns:
        Profiles written; those to which there was nothing to add are not among them.

    Raises:
        ModelError: no model is in service.
        DatasetError: sessions are cut by the publisher's ids, and the log has none.
        StoreError: the store cannot be written; running it again does no harm.
    """
    registry = open_registry(settings)
    folder = registry.fetch("champion")
    router, config = load_router(folder), load_config(folder)
    total, rules = clicks["user_id"].n_unique(), log.session_rules(settings.sessions)
    store = OnlineStore.open(settings)
    try:
        store.ping()
        counted = _write_popularity(
            store, log, half_life_ms=config.half_life_ms, gap_ms=rules.gap, partitions=settings.partitions
        )
        pairs = CoClicks(half_life_ms=config.co_click_half_life_ms, window_ms=rules.gap, partition=0)
        paired = _write_co_clicks(store, log, pairs, partitions=settings.partitions)
        with progress_bar(console, transient=True) as bar:
            task = bar.add_task("profiles", total=total)
            made = profiles(past_sessions(clicks, log.items, rules), routers_of(registry, router), config.sizes)
            written = fill(store, made, router, config.sizes, advance=lambda count: bar.advance(task, count))
        # If the store is emptied before there is a session, these rows are missed.
        store.write_progress([Progress(partition=number) for number in range(settings.partitions)], over={})
    finally:
        store.close()
    console.print(
        f"{written:,} profiles of {len(clicks):,} clicks written to {store.location.label}, routed by "
        f"{router.version}; {total - written:,} had all of this already",
        highlight=False,
    )
    if not counted:
        console.print("item popularity was in the store already and stays as it is")
    if not paired:
        console.print("co-clicks were in the store already and stay as they are")
    return written


def _write_popularity(store: OnlineStore, log: Dataset, *, half_life_ms: float, gap_ms: int, partitions: int) -> bool:
    """Write the popularity of the log's newest clicks as partition 0's, if no partition has a row; whether it did.

    A worker that begins to count partition 0 meanwhile keeps its row.
    """
    if store.read_popularity(partitions):
        return False
    popularity = ItemPopularity(half_life_ms=half_life_ms, gap_ms=gap_ms, partition=0)
    types = EventTypes.parse(log.event_types)
    for click in to_clicks(log.clicks.tail(WARM_UP_CLICKS), log.categories):
        popularity.observe(click, types)
    return store.add_popularity(popularity.snapshot(top=LISTED_ITEMS))


def _write_co_clicks(store: OnlineStore, log: Dataset, counts: CoClicks, *, partitions: int) -> bool:
    """Write the co-clicks of the log's newest clicks as those of ``counts``' partition, as ``_write_popularity``."""
    if any(store.read_co_clicks(number) is not None for number in range(partitions)):
        return False
    types = EventTypes.parse(log.event_types)
    for click in to_clicks(log.clicks.tail(PAIRED_CLICKS), {}):
        if types[click.event_type].weight:
            counts.add(click.user_id, click.item_id, click.timestamp)
    return store.add_co_clicks(counts.snapshot())
