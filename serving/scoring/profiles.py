"""Reads users' profiles with a deadline, and does without them while the store is down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from mos_online.contracts import RouterUpdate
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress, describe
from serving.metrics import Metrics

T = TypeVar("T")
log = logging.getLogger(__name__)

MORE = 32
"""So many partitions beyond those that are known are looked for."""


class WeightsStore(Protocol):
    """The method of ``features.fast_weights.FastWeightsRows`` that serving needs."""

    def read(self, arms: Sequence[str]) -> dict[str, FastWeights]:
        """Return the fast weights of each arm that has some."""


class RouterStore(Protocol):
    """The methods of ``features.router_rows.RouterRows`` that serving needs."""

    def stamps(self, arms: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return epoch and sequence of the router's revision of each arm that has one."""

    def read(self, arm: str) -> RouterUpdate | None:
        """Return the router's revision of an arm, if there is one."""


class Store(Protocol):
    """The methods of ``features.store.OnlineStore`` that serving needs."""

    def read_profiles(
        self, user_ids: Sequence[str], *, on_damaged: Callable[[str, str], object]
    ) -> dict[str, UserProfile]:
        """Return the profiles of those users who have one; call ``on_damaged`` for those that cannot be read."""

    def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
        """Return the popular items of each partition that has been written."""

    def read_co_clicks(self, partition: int) -> CoClickSnapshot | None:
        """Return the co-clicks of a partition, if they have been written."""

    def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        """Return how far the profiles of each partition have come, where that has been written."""

    @property
    def fast_weights(self) -> WeightsStore:
        """The rows of fast weights."""

    @property
    def routers(self) -> RouterStore:
        """The rows of revisions of the router."""

    def ping(self) -> None:
        """Raise if the store cannot be read."""

    def close(self) -> None:
        """Close the connections."""


class Profiles:
    """Reads a store behind a circuit breaker.

    A read that fails or is late opens the circuit: later reads return at once, without profiles, until ``check``
    (called about once a second) finds the store answering again. One thread makes every call to the store, so a
    call that hangs costs its caller ``timeout`` seconds once and nobody else anything.
    """

    def __init__(self, *, open_store: Callable[[], Store], timeout: float, metrics: Metrics) -> None:
        self._open_store = open_store
        self._timeout = timeout
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._store: Store | None = None
        self._last: Future[object] | None = None
        self._progress: dict[int, Progress] = {}
        self.problem: str | None = "the online store is not open yet"

    def read(self, user_ids: Sequence[str]) -> dict[str, UserProfile] | None:
        """Return the profiles of those users who have one, or None when the store cannot tell."""
        store = self._store
        if store is None or self.problem is not None:
            return None
        started = time.perf_counter()
        found = self._call(lambda: store.read_profiles(user_ids, on_damaged=self._damaged), self._timeout)
        self._metrics.store_read_seconds.observe(time.perf_counter() - started)
        return found

    def popularity(self, partitions: int) -> list[PopularitySnapshot] | None:
        """Return the popular items of each partition, or None when the store cannot tell."""
        store = self._store
        if store is None or self.problem is not None:
            return None
        return self._call(lambda: store.read_popularity(partitions), 4 * self._timeout)

    def co_clicks(self, partitions: int) -> list[CoClickSnapshot] | None:
        """Return the co-clicks of each partition, or None when the store cannot tell.

        Each of them is a call of its own, so that profiles are read in between.
        """
        found: list[CoClickSnapshot] = []
        for partition in range(partitions):
            store = self._store
            if store is None or self.problem is not None:
                return None
            snapshot = self._call(partial(store.read_co_clicks, partition), 4 * self._timeout)
            if snapshot is not None:
                found.append(snapshot)
        return found if self.problem is None else None

    def fast_weights(self, arms: Sequence[str]) -> dict[str, FastWeights] | None:
        """Return the fast weights of each arm that has some, or None when the store cannot tell."""
        store = self._store
        if store is None or self.problem is not None:
            return None
        return self._call(lambda: store.fast_weights.read(arms), 4 * self._timeout)

    def router_stamps(self, arms: Sequence[str]) -> dict[str, tuple[str, int]] | None:
        """Return epoch and sequence of the router's revision of each arm that has one; None if the store is away."""
        store = self._store
        if store is None or self.problem is not None:
            return None
        return self._call(lambda: store.routers.stamps(arms), 4 * self._timeout)

    def router(self, arm: str) -> RouterUpdate | None:
        """Return the router's revision of an arm; None if there is none or the store is away."""
        store = self._store
        if store is None or self.problem is not None:
            return None
        return self._call(lambda: store.routers.read(arm), 4 * self._timeout)

    @property
    def partitions(self) -> int:
        """How many partitions the profiler has left rows of, as far as ``lost`` has seen."""
        return max(self._progress, default=-1) + 1

    def lost(self, partitions: int) -> str | None:
        """What the store has lost, and how to mend it; None if nothing is known, also because the store is away.

        The rows say what the profiler has noticed. Rows that were there and are gone, it has not noticed yet. If only
        the last ones are gone, the topic was made anew with fewer partitions. It may also have been given more, so rows
        of ``MORE`` further ones are looked for.
        """
        store = self._store
        if store is None or self.problem is not None:
            return None
        found = self._call(lambda: store.read_progress(range(partitions + MORE)), 4 * self._timeout)
        if found is None:
            return None
        last = max(found or self._progress, default=-1)
        self._progress = {partition: row for partition, row in (self._progress | found).items() if partition <= last}
        gone = [row.lost(0, now=0) for partition, row in self._progress.items() if partition not in found]
        return describe([*found.values(), *gone])

    def check(self, *, timeout: float) -> None:
        """If the store is not in use, try to open and read it; a success puts it (back) into use."""
        if self.problem is None or (self._last is not None and not self._last.done()):
            return
        reconnected = self._call(self._connect, timeout)
        if reconnected:
            self.problem = None
            log.info("the online store answers")

    def close(self) -> None:
        """Close the store; a call that hangs is left behind."""
        self.problem = "the service is stopping"
        if (store := self._store) is not None:
            self._thread.submit(store.close)
        self._thread.shutdown(wait=False)

    def _damaged(self, _user_id: str, _fault: str) -> None:
        """A row that cannot be read costs its user the profile, and nobody else anything."""
        self._metrics.damaged_profiles.inc()

    def _connect(self) -> bool:
        if self._store is None:
            self._store = self._open_store()
        self._store.ping()
        return True

    def _call(self, work: Callable[[], T], timeout: float) -> T | None:
        """``work``'s result; None, and the circuit open, if it fails or is late."""
        future = self._thread.submit(work)
        self._last = future  # type: ignore[assignment]
        try:
            return future.result(timeout)
        except TimeoutError:
            self._fail(f"the online store did not answer within {timeout:g} s")
        except Exception as error:  # whatever it is, requests must be answered without the store
            self._fail(str(error) or repr(error))
        return None

    def _fail(self, problem: str) -> None:
        self._metrics.store_failures.inc()
        if problem != self.problem:
            log.warning("answering without profiles: %s", problem)
        self.problem = problem
