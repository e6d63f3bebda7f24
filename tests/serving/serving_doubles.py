"""Stand-ins for the model, the store and the registry, with the interfaces that serving relies on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from fsspec.implementations.memory import MemoryFileSystem

from mos_online.contracts import RankedItem, RouterUpdate
from mos_online.errors import ModelError, StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights
from mos_online.recommend.query import Query, Ranking, ThemeShare
from mos_online.registry import Aliases
from mos_online.registry.experiments import ExperimentHistory
from mos_online.registry.storage import Storage
from mos_online.sessions import SessionConfig
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress
from serving.http.bodies import Bodies
from serving.http.stream_rules import StreamRules
from serving.scoring.limits import Limits
from serving.scoring.revisions import ReadRevision
from serving.scoring.service import Service

SNAPSHOT = PopularitySnapshot(
    partition=1,
    as_of=5,
    total=1.0,
    slow_total=1.0,
    start_total=0.5,
    slow_start_total=0.5,
    item_ids=["i"],
    counts=[1.0],
    slow_counts=[1.0],
    start_counts=[0.5],
    slow_start_counts=[0.25],
    first_seen=[1],
    categories=[""],
    users=[1],
)


class Labels:
    """The part of a Router that serving reads."""

    def __init__(self) -> None:
        self.labels = ["unrouted", "garden, tools", "cameras"]
        self.epoch, self.sequence = "r-0", 0


class FakeRecommender:
    """Ranks the user's own last items first, then i0, i1, ...; falls back when there are none."""

    def __init__(self, version: str = "m1") -> None:
        self.model_version = version
        self.router_version = f"r-{version}"
        self.half_life_ms = self.co_click_half_life_ms = 900_000.0
        self.router = Labels()
        self.mixing_clicks = self.learned = self.begun = 0
        self.batches: list[list[Query]] = []
        self.observed: list[list[PopularitySnapshot]] = []
        self.co_clicks: list[list[CoClickSnapshot]] = []
        self.release = threading.Event()
        self.release.set()
        self.entered = threading.Semaphore(0)
        self.poison: str | None = None

    def observe_co_clicks(self, snapshots: list[CoClickSnapshot]) -> None:
        self.co_clicks.append(snapshots)

    def observe_popularity(self, snapshots: list[PopularitySnapshot]) -> None:
        self.observed.append(snapshots)

    def learn(self) -> None:
        self.learned += 1

    def begin_anew(self) -> None:
        self.begun += 1

    def recommend(self, queries: Sequence[Query]) -> list[Ranking]:
        if queries[0].user_id:  # not the warm-up
            self.batches.append(list(queries))
        self.entered.release()
        self.release.wait(10)
        if any(query.user_id == self.poison for query in queries):
            raise ValueError("poison")
        return [self._rank(query) for query in queries]

    def _rank(self, query: Query) -> Ranking:
        own = [event.item_id for event in query.events]
        own += query.profile.item_ids if query.profile else []
        items = [item for item in [*own, *(f"i{n}" for n in range(1200))] if item not in set(query.exclude)]
        shares = [ThemeShare(theme=2, label="cameras", share=1.0, sessions=3)] if query.profile else []
        return Ranking(
            items=[
                RankedItem(item_id=item, score=1 / (n + 1), theme=n % 3, together_with=items[0] if n == 1 else None)
                for n, item in enumerate(items[: query.k])
            ],
            themes=shares,
            fallback=None if own else "unknown_user",
            candidates=1200,
            score_level=2.5 if own else None,
        )


class FakeWeights:
    """Rows of fast weights in memory."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self.rows: dict[str, FastWeights] = {}
        self._answer = answer

    def read(self, arms: Sequence[str]) -> dict[str, FastWeights]:
        self._answer()
        return {arm: self.rows[arm] for arm in arms if arm in self.rows}


class FakeRouters:
    """Rows of revisions in memory."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self.update: RouterUpdate | None = None
        self.looks = self.reads = 0
        self._answer = answer

    def stamps(self, arms: Sequence[str]) -> dict[str, tuple[str, int]]:
        self._answer()
        self.looks += 1
        found = self.update
        return {found.arm: (found.epoch, found.sequence)} if found is not None and found.arm in arms else {}

    def read(self, arm: str) -> RouterUpdate | None:
        self._answer()
        self.reads += 1
        return self.update if self.update is not None and self.update.arm == arm else None


class FakeStore:
    """A store in memory that can fail or hang."""

    def __init__(self, *profiles: UserProfile) -> None:
        self.profiles = {profile.user_id: profile for profile in profiles}
        self.snapshots: list[PopularitySnapshot] = []
        self.co_clicks: dict[int, CoClickSnapshot] = {}
        self.progress: dict[int, Progress] = {}
        self.fast_weights = FakeWeights(self._answer)
        self.routers = FakeRouters(self._answer)
        self.looks = 0
        self.error: str | None = None
        self.hang = threading.Event()
        self.hang.set()
        self.reads = 0

    def _answer(self) -> None:
        self.hang.wait(10)
        if self.error:
            raise StoreError(self.error)

    def read_profiles(
        self, user_ids: Sequence[str], *, on_damaged: Callable[[str, str], object]
    ) -> dict[str, UserProfile]:
        self.reads += 1
        self._answer()
        return {user: self.profiles[user] for user in user_ids if user in self.profiles}

    def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
        self._answer()
        return [snapshot for snapshot in self.snapshots if snapshot.partition < partitions]

    def read_co_clicks(self, partition: int) -> CoClickSnapshot | None:
        self._answer()
        return self.co_clicks.get(partition)

    def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        self._answer()
        self.looks += 1
        return {partition: self.progress[partition] for partition in partitions if partition in self.progress}

    def ping(self) -> None:
        self._answer()

    def close(self) -> None:
        pass


def _storage() -> Storage:
    """Files in memory that nobody else has."""
    return Storage(MemoryFileSystem(), f"/{uuid4().hex}", "memory")


class FakeRegistry:
    """Names a version whose folder need not exist."""

    def __init__(self, version: str | None = "m1") -> None:
        self.version = version
        self.former: str | None = None
        self.history = ExperimentHistory(_storage(), lambda version: version)

    def champion(self) -> tuple[str, str]:
        if self.version is None:
            raise ModelError("no model is in service: run `mos train`")
        return self.version, self.version

    def aliases(self) -> Aliases:
        return Aliases(champion=self.version, previous=self.former)

    def fetch(self, version: str) -> Path:
        return Path(version)

    def experiments(self) -> ExperimentHistory:
        return self.history


def _no_revision(update: RouterUpdate) -> RouterUpdate:
    raise ModelError(f"no revision {update.sequence} of {update.epoch}")


def make_service(
    *,
    store: FakeStore | None = None,
    registry: FakeRegistry | None = None,
    load: Callable[[Path], FakeRecommender] | None = None,
    limits: Limits | None = None,
    read_revision: ReadRevision | None = None,
) -> Service:
    opened = store or FakeStore()
    return Service(
        registry=registry or FakeRegistry(),
        load=load or (lambda folder: FakeRecommender(folder.name)),  # type: ignore[arg-type]
        open_store=lambda: opened,
        read_revision=read_revision or _no_revision,
        partitions=4,
        limits=limits or Limits(refresh=0.02, store_timeout=30.0),
    )


def wait_for(condition: Callable[[], object], timeout: float = 120.0) -> None:
    """Wait until ``condition`` is true; fail the test after ``timeout`` seconds."""
    pause = threading.Event()
    for _ in range(int(timeout / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"not within {timeout} s")


def bodies_of_any_time() -> Bodies:
    """Receives bodies whose times may be any."""
    return Bodies(Limits(), StreamRules(SessionConfig(min_timestamp=0), clock=lambda: 2**60))
