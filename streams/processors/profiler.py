"""Sessions in, rows of user_state and session embeddings out."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple

from features.store import OnlineStore
from mos_online import contracts
from mos_online.contracts import Session, SessionEmbedding
from mos_online.errors import RegistryError, StoreError
from mos_online.registry import RegistryFollower, load_config, open_registry
from mos_online.registry.revisions import RevisionFollower
from mos_online.themes import Router, load_router
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from streams import metrics
from streams.kafka.dead_letters import record_at_fault
from streams.kafka.records import Record
from streams.processors.base import Processor, Timer, WorkerContext
from streams.processors.profile_cache import ProfileCache
from streams.processors.profile_progress import PERIOD, ProfileProgress
from streams.processors.retry import RetryPolicy
from streams.processors.session_log import check_session, decode_session

log = logging.getLogger(__name__)

FOLLOW = 0.5
"""Seconds between two looks at the registry: a revision that begins later than that (and a little) is here in time."""


class _Model(NamedTuple):
    """What a profile's update needs of a model."""

    router: Router
    sizes: RingSizes

    @classmethod
    def load(cls, folder: Path) -> _Model:
        return cls(router=load_router(folder), sizes=load_config(folder).sizes)


class _InService(NamedTuple):
    """A model, and the revisions of its router."""

    model: _Model
    revisions: RevisionFollower


class ProfilerProcessor(Processor[Session]):
    """The online store holds the truth; what is cached here is what was last written there (docs/adr/0004)."""

    name = "profiler"
    topic = contracts.SESSIONS
    outputs = (contracts.SESSION_EMBEDDINGS,)
    batch_size = 500
    batch_wait = 0.005

    def __init__(self, context: WorkerContext) -> None:
        """Load the router and open the store.

        Raises:
            ModelError: no model is in service, or it is damaged.
            StoreError, SettingsError: as ``OnlineStore.open``.
        """
        self._stores = RetryPolicy(on=StoreError, retries=metrics.RETRIES.labels(self.name, "store"))
        super().__init__(context, retry=self._stores)
        self._registry = open_registry(context.settings)
        self._registries = RetryPolicy(on=RegistryError, retries=metrics.RETRIES.labels(self.name, "registry"))
        self._follower = RegistryFollower(self._registry, _Model.load)
        self._next = self._in_service = self._newest()
        self._store = OnlineStore.open(context.settings)
        self._progress = ProfileProgress(self._store, context.settings, self.name, retry=self._stores)
        self._cache = ProfileCache(context.settings.profile_cache_mb * 2**20)

    def decode(self, value: bytes | None) -> Session:
        """Decode a closed session."""
        return decode_session(value)

    def check(self, record: Record, message: Session) -> None:
        """Check that the session is one of the sessionizer."""
        check_session(record, message, self.rules)

    def timers(self) -> tuple[Timer, ...]:
        """Look for another model in service, and at the store's progress, whether or not there are sessions."""
        return (
            Timer(name="follow", seconds=FOLLOW, action=self._follow),
            Timer(name="look", seconds=PERIOD, action=self._progress.look),
        )

    @property
    def waiting(self) -> str | None:
        """What the store or Kafka says instead of answering."""
        return super().waiting or self._registries.waiting or self._progress.waiting

    @property
    def store_problem(self) -> str | None:
        """What the store has lost."""
        return self._progress.problem

    def on_assigned(self, partitions: set[int]) -> None:
        """Their progress is looked at before their first session."""
        self._progress.assigned(partitions)

    @property
    def model_problem(self) -> str | None:
        """Why the router may not be that of the model in service."""
        return self._follower.problem or self._in_service.revisions.problem

    async def on_revoked(self) -> None:
        """Forget the profiles: another worker may write them now."""
        self._cache.clear()
        self._progress.revoked()

    async def work(self, records: list[Record]) -> None:
        """Update the profiles by a batch of sessions, and publish the embeddings once the profiles are readable."""
        self._use_model_in_service()
        reached = {record.partition: record.offset + 1 for record in records}
        await self._progress.take_over(reached)
        waiting = self.read(records)
        await self._have_routers([session.watermark for _, session in waiting])
        while waiting:
            written, waiting = await self._update(waiting)
            for record, embedding in written:
                self.publish(record, contracts.SESSION_EMBEDDINGS, embedding.user_id, embedding)
        await self._progress.advance(reached)

    async def _update(
        self, batch: list[tuple[Record, Session]]
    ) -> tuple[list[tuple[Record, SessionEmbedding]], list[tuple[Record, Session]]]:
        """Update the profiles by a batch of sessions.

        Returns:
            The embeddings of those sessions whose profiles have been written, and the sessions of those users whose
            profiles somebody else has written meanwhile: a backfill, or an owner of the partition before or after us.
        """
        known = await self._profiles([session.user_id for _, session in batch])
        changed: dict[str, UserProfile] = {}
        made: list[tuple[Record, Session, SessionEmbedding]] = []

        async def apply(some: list[tuple[Record, Session]]) -> None:
            new, embeddings = self._apply([session for _, session in some], known | changed)
            changed.update(new)
            made.extend((*one, embedding) for one, embedding in zip(some, embeddings, strict=True))

        with metrics.STAGE_SECONDS.labels(self.name, "apply").time():
            await self.isolate(batch, apply)
        lost = await self._write(known, changed)
        return (
            [(record, embedding) for record, session, embedding in made if session.user_id not in lost],
            [(record, session) for record, session, _ in made if session.user_id in lost],
        )

    async def _write(self, known: dict[str, UserProfile], changed: dict[str, UserProfile]) -> set[str]:
        """Write profiles, and remember what is in the store now; the users of whom we do not know it."""
        lost: set[str] = set()
        if changed:
            with metrics.STAGE_SECONDS.labels(self.name, "write").time():
                lost = await self._stores.in_thread(
                    lambda: self._store.write_profiles(list(changed.values()), over=known)
                )
            metrics.PROFILES_WRITTEN.inc(len(changed) - len(lost))
        self._cache.forget(lost)
        self._cache.remember({user: profile for user, profile in (known | changed).items() if user not in lost})
        return lost

    async def _profiles(self, users: list[str]) -> dict[str, UserProfile]:
        """The profiles of those users who have one, from the cache or the store."""
        known = self._cache.of(users)
        missing = [user for user in dict.fromkeys(users) if user not in known]
        if missing:
            with metrics.STAGE_SECONDS.labels(self.name, "read").time():
                known |= await self._stores.in_thread(lambda: self._read(missing))
        return known

    def _read(self, users: list[str]) -> dict[str, UserProfile]:
        """Read profiles; rows that cannot be read are set aside, so that these users can be given new ones."""
        damaged: list[str] = []
        found = self._store.read_profiles(users, on_damaged=lambda user, _: damaged.append(user))
        if damaged:
            self._store.set_aside_profiles(damaged)
            metrics.DAMAGED_PROFILES.inc(len(damaged))
        return found

    def _apply(
        self, sessions: list[Session], known: dict[str, UserProfile]
    ) -> tuple[dict[str, UserProfile], list[SessionEmbedding]]:
        """Profiles that change, and an embedding for each session."""
        with record_at_fault():
            routers, sizes = self._in_service.revisions.routers, self._in_service.model.sizes
            return apply_sessions(sessions, known, routers, sizes)

    async def _have_routers(self, event_times: list[int]) -> None:
        """Load the revisions that route a batch, if they are not here; it waits for a registry that is away."""
        revisions = self._in_service.revisions
        if revisions.routers.missing(event_times):
            await self._registries.in_thread(lambda: revisions.have(event_times))

    async def _follow(self) -> None:
        await self._follower.poll_async()
        self._next = await asyncio.to_thread(self._newest, self._next)

    def _newest(self, before: _InService | None = None) -> _InService:
        """The model in service with the newest revisions of its router; blocks."""
        model = self._follower.loaded
        if before is None or model.router.epoch != before.model.router.epoch:
            before = _InService(model, RevisionFollower(self._registry, model.router))
        before.revisions.poll()
        return before if model is before.model else _InService(model, before.revisions)

    def _use_model_in_service(self) -> None:
        """A version that is put into service takes effect between two batches."""
        if self._next is not self._in_service:
            self._in_service = self._next
            self._cache.clear()  # a backfill often follows a new router
            log.info("router %s in service", self._in_service.model.router.version)
