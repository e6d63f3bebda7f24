"""Sessions in, rows of user_state and session embeddings out."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import msgspec

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Session, SessionEmbedding
from mos_online.errors import StoreError
from mos_online.registry.registry import Registry
from mos_online.themes.router import Router
from mos_online.users.profile import RingSizes, UserProfile
from mos_online.users.update import profile_sessions
from streams import metrics
from streams.kafka.dead_letters import dead_letter
from streams.kafka.producer import RecordProducer
from streams.kafka.records import Record
from streams.model import load_router
from streams.processors.base import Context
from streams.runtime.app import raw_topic
from streams.runtime.batches import BatchConsumer
from streams.runtime.retry import RetryPolicy

CACHED = 20_000
"""Profiles kept in memory, so that a user's next session needs no read."""

log = logging.getLogger(__name__)
_sessions = msgspec.json.Decoder(Session)


class ProfilerProcessor:
    """See docs/adr/0004: the online store holds the truth; what is cached here is what was last written there."""

    def __init__(self, context: Context) -> None:
        """Load the router and open the store.

        Raises:
            ModelError: no model is in service, or it is damaged.
            StoreError, SettingsError: as ``OnlineStore.open``.
        """
        self._context = context
        self._registry = Registry(context.settings.models_dir)
        self._folder: Path = self._registry.current()
        self._router: Router
        self._sizes: RingSizes
        self._router, self._sizes = load_router(self._folder)
        self._store = OnlineStore.open(context.settings)
        self._cache: OrderedDict[str, UserProfile] = OrderedDict()
        self._producer = RecordProducer(context.settings)
        self._retry = RetryPolicy(on=StoreError, retries=metrics.STORE_RETRIES)
        self._batches = BatchConsumer(self._work, size=500, within=0.005)

    @property
    def ready(self) -> bool:
        """Always: it keeps no state of its own."""
        return True

    @property
    def waiting(self) -> str | None:
        """The last error of the online store, while it does not work."""
        return self._retry.waiting

    def register(self, app: Any) -> None:
        """Add the agent."""
        app.agent(raw_topic(app, self._context.settings, contracts.SESSIONS), name="profiler")(self._run)

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Nothing to load."""

    async def revoked(self) -> None:
        """Forget the profiles: another worker may write them now."""
        await self._batches.revoke()
        self._cache.clear()

    async def close(self) -> None:
        """Break off what is at work; it will be delivered again."""
        await self._batches.revoke()

    async def _run(self, stream: Any) -> None:
        try:
            await self._batches.run(stream)
        except Exception as error:
            self._context.fail(error)
            raise

    async def _work(self, records: list[Record]) -> None:
        settings, cache = self._context.settings, self._cache
        await self._follow_model()
        read = [(record, session) for record in records if (session := self._decode(record)) is not None]
        sessions = [session for _, session in read]
        known = {user: cache[user] for user in dict.fromkeys(s.user_id for s in sessions) if user in cache}
        missing = [user for user in dict.fromkeys(s.user_id for s in sessions) if user not in known]
        if missing:
            with metrics.STAGE_SECONDS.labels("profiler", "read").time():
                known |= await self._retry.in_thread(lambda: self._store.read_profiles(missing))
        with metrics.STAGE_SECONDS.labels("profiler", "apply").time():
            changed, made = self._apply(read, known)
        if changed:
            with metrics.STAGE_SECONDS.labels("profiler", "write").time():
                written = await self._retry.in_thread(lambda: self._store.write_profiles(list(changed.values())))
            metrics.PROFILES_WRITTEN.inc(written)
            if written < len(changed):  # somebody else, a backfill, has written newer ones
                cache.clear()
                known, changed = {}, {}
        _remember(cache, known | changed)
        topic = settings.topic(contracts.SESSION_EMBEDDINGS)
        for record, embedding in made:
            self._producer.publish(
                topic,
                embedding.user_id.encode(),
                contracts.encode(embedding),
                partition=record.partition,
                headers=record.headers,
            )
        with metrics.STAGE_SECONDS.labels("profiler", "flush").time():
            await self._producer.flush()
        for record, _ in read:
            metrics.observe_delay(contracts.SESSION_EMBEDDINGS, record.headers)

    def _apply(
        self, read: list[tuple[Record, Session]], known: dict[str, UserProfile]
    ) -> tuple[dict[str, UserProfile], list[tuple[Record, SessionEmbedding]]]:
        """Profiles that change and the embeddings to publish; a session that cannot be applied is a dead letter."""
        gap = self._context.settings.sessions.gap
        sessions = [session for _, session in read]
        try:
            changed, embeddings = profile_sessions(sessions, known, self._router, self._sizes, gap=gap)
        except Exception as error:  # one record must not stop the stream
            if len(read) > 1:
                return self._apply_singly(read, known)
            log.exception("sessions[%d]@%d could not be applied", read[0][0].partition, read[0][0].offset)
            dead_letter(
                self._producer, self._context.settings, read[0][0], reason="internal_error", message=repr(error)
            )
            return {}, []
        return changed, [(record, embedding) for (record, _), embedding in zip(read, embeddings, strict=True)]

    def _apply_singly(
        self, read: list[tuple[Record, Session]], known: dict[str, UserProfile]
    ) -> tuple[dict[str, UserProfile], list[tuple[Record, SessionEmbedding]]]:
        changed: dict[str, UserProfile] = {}
        made: list[tuple[Record, SessionEmbedding]] = []
        for one in read:
            new, embeddings = self._apply([one], known | changed)
            changed |= new
            made += embeddings
        return changed, made

    async def _follow_model(self) -> None:
        """Use the router of the model in service; a version put into service later takes effect between batches."""
        folder = self._registry.current()
        if folder != self._folder:
            self._router, self._sizes = await asyncio.to_thread(load_router, folder)
            self._folder = folder
            self._cache.clear()  # a backfill often follows a new router
            log.info("router %s in service", self._router.version)

    def _decode(self, record: Record) -> Session | None:
        try:
            return _sessions.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            dead_letter(self._producer, self._context.settings, record, reason="invalid", message=str(error))
            return None


def _remember(cache: OrderedDict[str, UserProfile], profiles: dict[str, UserProfile]) -> None:
    for user, profile in profiles.items():
        cache[user] = profile
        cache.move_to_end(user)
    while len(cache) > CACHED:
        cache.popitem(last=False)
