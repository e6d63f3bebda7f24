"""Merges the sessions of the topic `sessions` into the profiles of the store; for ``mos backfill --from-topic``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from rich.console import Console

from features.backfill import fill
from features.store import OnlineStore
from mos_cli.progress import progress_bar
from mos_online import contracts
from mos_online.contracts import Session
from mos_online.errors import BrokerError
from mos_online.registry import load_config, open_registry
from mos_online.registry.revisions import routers_of
from mos_online.settings import Settings
from mos_online.themes import load_router
from mos_online.themes.timeline import RouterTimeline
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from streams.kafka.admin import check_topics
from streams.kafka.log_reader import LogReader
from streams.processors.session_log import read_sessions

EVENTS = 500_000
"""So many events are read before their profiles are merged: about 100 MB."""


def backfill_from_topic(settings: Settings, console: Console) -> None:
    """Merge all sessions that the topic still has into the profiles, and note in the store that nothing is missing.

    Workers and the service may go on meanwhile. A loss that is noticed meanwhile stays noted.

    Raises:
        ModelError: no model is in service.
        BrokerError: Kafka cannot be reached, or drops records faster than they are read.
        StoreError: the store cannot be written. Running it again does no harm.
    """
    registry = open_registry(settings)
    folder = registry.fetch("champion")
    router, sizes = load_router(folder), load_config(folder).sizes
    routers = routers_of(registry, router)
    partitions = check_topics(settings).partitions
    store, reader = OnlineStore.open(settings), LogReader(settings)
    topic = settings.topic(contracts.SESSIONS)
    try:
        store.ping()
        bounds = {partition: reader.bounds(topic, partition) for partition in range(partitions)}
        before = {partition: _begin(store, partition, high) for partition, (_, high) in bounds.items()}
        written = 0
        with progress_bar(console, transient=True) as bar:
            task = bar.add_task("sessions", total=sum(high - low for low, high in bounds.values()))
            for partition, (low, high) in bounds.items():
                sessions = read_sessions(reader, settings, partition, low, high)
                for some in _portions(sessions):
                    made = _profiles(some, routers, sizes)
                    written += fill(store, made, router, sizes, advance=lambda _: None)
                    bar.advance(task, len(some))
        incomplete = [p for p, (_, high) in bounds.items() if not _end(store, before[p], high)]
    finally:
        reader.close()
        store.close()
    count = sum(high - low for low, high in bounds.values())
    result = f"{count:,} sessions of the topic merged: {written:,} profiles written to {store.location.label}"
    console.print(result, highlight=False)
    gone = [p for p, (low, _) in bounds.items() if low > 0]
    if gone:
        console.print(
            f"the topic has no longer the first sessions of partition {', '.join(map(str, gone))}: if the store has "
            "lost them too, your own log has them: `mos backfill --dataset`"
        )
    if incomplete:
        raise BrokerError(
            f"the store has lost sessions of partition {', '.join(map(str, incomplete))} again while they were merged; "
            "run `mos backfill --from-topic` once more"
        )


def _portions(sessions: Iterable[Session]) -> Iterator[list[Session]]:
    """Sessions with about ``EVENTS`` events together."""
    coming = iter(sessions)
    portion: list[Session] = []
    events = 0
    while some := list(islice(coming, 500)):
        portion += some
        events += sum(len(session.events) for session in some)
        if events >= EVENTS:
            yield portion
            portion, events = [], 0
    if portion:
        yield portion


def _profiles(sessions: list[Session], routers: RouterTimeline, sizes: RingSizes) -> Iterable[UserProfile]:
    made, _ = apply_sessions(sessions, {}, routers, sizes)
    return made.values()


def _begin(store: OnlineStore, partition: int, end: int) -> Progress:
    """The row of a partition before we begin; where there is none, one that says that everything may be missing.

    So a store that is emptied meanwhile is told from one that was empty before.
    """
    while True:
        stored = store.read_progress([partition]).get(partition)
        if stored is not None:
            return stored
        row = Progress(partition=partition, next_offset=end).lost(0, now=_now())
        if not store.write_progress([row], over={}):
            return row


def _end(store: OnlineStore, before: Progress, end: int) -> bool:
    """Note that nothing of a partition is missing up to ``end``; False if another loss was noticed meanwhile."""
    number = before.partition
    while True:
        stored = store.read_progress([number]).get(number)
        if stored is None:
            _begin(store, number, end)
            return False
        if stored.missing_from >= 0 and stored.noticed_at != before.noticed_at:
            return False
        row = stored.whole().advanced(end)
        if row == stored or not store.write_progress([row], over={number: stored}):
            return True


def _now() -> int:
    return time.time_ns() // 1_000_000
