"""One replica's service: model, profiles and scorer together, kept fresh by one background thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mos_online.experiments.treatment import CHAMPION
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot, newest
from mos_online.items.update_schedule import ReadSchedule
from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.recommend.probe import require_finite_scores
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from serving.metrics import Metrics
from serving.scoring.answer import Answer, NoModelError
from serving.scoring.arms import Arms, ExperimentRegistry
from serving.scoring.limits import Limits
from serving.scoring.model import ModelInService
from serving.scoring.profiles import Profiles, Store
from serving.scoring.revisions import ReadRevision, Revisions
from serving.scoring.scorer import Scorer

log = logging.getLogger(__name__)

OPEN_TIMEOUT = 30.0
"""Seconds that opening the store may take: importing Feast and making its repository."""
STUCK = 30.0
"""Seconds after which a batch that is still being scored means that the replica must be replaced."""


class Service:
    """Answers queries; follows the registry to new model versions without dropping one.

    Attributes:
        metrics: what it counts and measures.
        limits: its bounds.
        store_problem: what the online store has lost of the profiles, and how to mend it; None if nothing is known.
        loaded_at: when the model in service went into service, in milliseconds since 1970 UTC.
    """

    def __init__(
        self,
        *,
        registry: ExperimentRegistry,
        load: Callable[[Path], Recommender],
        open_store: Callable[[], Store],
        read_revision: ReadRevision,
        partitions: int,
        limits: Limits,
    ) -> None:
        """Load the version in service, if there is one; ``start`` begins to answer.

        Args:
            registry: where the version in service and the experiments are looked up.
            load: reads a version folder.
            open_store: called again until it succeeds.
            read_revision: reads a revision of the router that is too large for the store.
            partitions: of the click topic at least; as many rows of popularity and of co-clicks are read. The store may
                say more.
            limits: bounds.
        """
        self.metrics = Metrics()
        self.limits = limits
        self._load = load
        self._partitions = self._configured = partitions
        self._popularity: list[PopularitySnapshot] = []
        self._co_clicks: list[CoClickSnapshot] = []
        self._popularity_reads = ReadSchedule(longest=limits.refresh)
        self._co_click_reads = ReadSchedule(longest=limits.co_clicks)
        self._experiments = 0
        self._weights: dict[str, FastWeights] = {}
        self._model = ModelInService(registry, self._load_model, every=limits.registry)
        self._model_problem: str | None = None
        self.store_problem: str | None = None
        self._profiles = Profiles(open_store=open_store, timeout=limits.store_timeout, metrics=self.metrics)
        self._revisions = Revisions(self._profiles, read_revision)
        self._arms = Arms(registry, self._load_model, self._revisions, every=limits.registry)
        self.loaded_at = _now()
        self._scorer = Scorer(profiles=self._profiles, limits=limits, metrics=self.metrics)
        self._follow_registry()
        self._follow_experiments()
        self._stopped = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, name="refresh", daemon=True)

    def start(self) -> None:
        """Start the threads; call it from the event loop that will call ``recommend``."""
        self._scorer.start()
        self._thread.start()

    def wait_for_store(self) -> None:
        """Wait until the store is open, or cannot be opened now; answers without profiles follow then.

        A replica that is asked before would give its first answers without profiles although there are some.
        """
        self._tried.wait(OPEN_TIMEOUT)

    def stop(self) -> None:
        """Answer what is queued and end the threads; a second call does nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._tried.set()
        self._scorer.stop()
        self._thread.join(timeout=2 * self.limits.refresh)
        self._profiles.close()

    async def recommend(self, queries: Sequence[Query], *, client: str) -> list[Answer]:
        """Return the answers, in the order of ``queries``; raise what ``Scorer.answer`` raises.

        Raises:
            NoModelError: there is no model yet.
        """
        if self._scorer.recommender is None:
            raise NoModelError(f"waiting for a model: {self.model_problem}")
        return await self._scorer.answer(queries, client=client)

    def not_ready(self) -> str | None:
        """Say why answers are worse than they should be, or None when all is well."""
        if self._scorer.recommender is None:
            return self.model_problem
        return self._profiles.problem

    @property
    def model_problem(self) -> str | None:
        """Why there is no model, or an older one than the registry says; None if all is well."""
        return self._model_problem

    def stuck(self) -> bool:
        """Say whether this replica should be replaced."""
        return self._scorer.stuck(STUCK)

    @property
    def recommender(self) -> Recommender:
        """The model in service; raises NoModelError if there is none."""
        if self._scorer.recommender is None:
            raise NoModelError(f"waiting for a model: {self.model_problem}")
        return self._scorer.recommender

    @property
    def experiments(self) -> int:
        """Number of the revision of the experiments in force; 0 before the first."""
        return self._experiments

    @property
    def experiment_problems(self) -> list[str]:
        """Why other experiments than those in force may be meant, or an arm gets its control; none if all is well."""
        return self._arms.problems

    @property
    def weights(self) -> ModelWeights | None:
        """The fast weights in service, which are of this model; None if there are none."""
        return self._scorer.weights

    def _keep_fresh(self) -> None:
        timeout, due = OPEN_TIMEOUT, 0.0
        while not self._stopped.is_set():
            looks = time.monotonic() >= due
            try:
                if looks:
                    self._profiles.check(timeout=timeout)
                    self._tried.set()
                self._follow_registry()
                self._follow_experiments()
                self._follow_routers()
                self._follow_popularity()
                self._follow_co_clicks()
                if looks:
                    self._follow_fast_weights()
                    self._follow_progress()
            except Exception:  # the thread must outlive any fault, or the service would go stale unseen
                log.exception("refreshing failed")
                self._stopped.wait(self.limits.refresh)
            now = time.monotonic()
            if looks:
                timeout, due = self.limits.refresh, now + self.limits.refresh
            soon = min(due - now, self.limits.router, self.limits.registry)
            self._stopped.wait(min(soon, self._popularity_reads.waits(now), self._co_click_reads.waits(now)))

    def _use(self, recommender: Recommender) -> None:
        """Answer with this model, and with what the arms have beside it, from the next batch on."""
        self._scorer.use(self._arms.lineup(recommender, self._weights))

    def _follow_experiments(self) -> None:
        recommender = self._scorer.recommender
        if recommender is not None:
            if self._arms.follow(recommender):
                self._use(recommender)
            self._experiments = self._arms.number  # answers come from them only now
        self.metrics.stale_experiments.set(bool(self._arms.problems))

    def _follow_routers(self) -> None:
        """Serve with the newest revisions of the router from the next batch on."""
        recommender = self._scorer.recommender
        if recommender is None:
            return
        changed = self._revisions.look(self._arms.routers)
        if changed:
            self._arms.revise(changed)
            self._use(self._revisions.applied(CHAMPION, recommender))

    def _follow_popularity(self) -> None:
        began = time.monotonic()
        if self._popularity_reads.waits(began):
            return
        snapshots, recommender = self._profiles.popularity(self._partitions), self._scorer.recommender
        if snapshots is not None and snapshots != self._popularity:
            self._popularity = snapshots
            self._arms.observe_popularity(snapshots)
            if recommender is not None:  # the first model is told when it is loaded
                recommender.observe_popularity(snapshots)
                self.metrics.counts_reach("popularity", snapshots)
        half_life = recommender.half_life_ms if recommender is not None else math.inf
        self._popularity_reads.read(began, time.monotonic(), newest(self._popularity), half_life)

    def _follow_co_clicks(self) -> None:
        began = time.monotonic()
        if self._co_click_reads.waits(began):
            return
        snapshots, recommender = self._profiles.co_clicks(self._partitions), self._scorer.recommender
        if snapshots is not None and snapshots != self._co_clicks:
            self._co_clicks = snapshots
            self._arms.observe_co_clicks(snapshots)
            if recommender is not None:
                recommender.observe_co_clicks(snapshots)
                self.metrics.counts_reach("co_clicks", snapshots)
        half_life = recommender.co_click_half_life_ms if recommender is not None else math.inf
        self._co_click_reads.read(began, time.monotonic(), newest(self._co_clicks), half_life)

    def _follow_fast_weights(self) -> None:
        found = self._profiles.fast_weights(sorted(self._arms.fast))
        if not found or found.items() <= self._weights.items():  # while the store is away, the last ones hold
            return
        self._weights = {arm: self._weights[arm] for arm in self._arms.fast if arm in self._weights} | found
        if self._scorer.recommender is not None:
            self._use(self._scorer.recommender)

    def _follow_progress(self) -> None:
        lost = self._profiles.lost(self._partitions)
        self._partitions = max(self._configured, self._profiles.partitions)
        if lost is not None and lost != self.store_problem:
            log.error("%s", lost)
        self.store_problem = lost
        self.metrics.incomplete_store.set(lost is not None)

    def _follow_registry(self) -> None:
        recommender = self._model.poll()
        if recommender is not None:
            if self._scorer.recommender is not None:
                self.metrics.reloaded(ok=True)
            self._use(self._briefed(recommender))
            self.loaded_at = _now()
        problem = self._model.problem
        if problem is not None and problem != self._model_problem:
            self.metrics.reloaded(ok=False)
        self._model_problem = problem
        self.metrics.stale_model.set(problem is not None)

    def _load_model(self, folder: Path) -> Recommender:
        recommender = self._load(folder)
        require_finite_scores(recommender)  # and the first user does not pay for lazy initialisation
        return recommender

    def _briefed(self, recommender: Recommender) -> Recommender:
        """Tell a model that goes into service what is known now; it may have been in service a while ago."""
        if self._popularity:
            recommender.observe_popularity(self._popularity)
            self.metrics.counts_reach("popularity", self._popularity)
        if self._co_clicks:
            recommender.observe_co_clicks(self._co_clicks)
            self.metrics.counts_reach("co_clicks", self._co_clicks)
        return self._revisions.applied(CHAMPION, recommender)


def _now() -> int:
    return time.time_ns() // 1_000_000
