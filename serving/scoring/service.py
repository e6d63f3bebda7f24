"""One replica's service: model, profiles and scorer together, kept fresh by one background thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mos_online.experiments.treatment import CHAMPION
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.recommend.probe import loaded
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from serving.metrics import Metrics
from serving.scoring.answer import Answer, NoModelError
from serving.scoring.arms import Arms, ExperimentRegistry
from serving.scoring.counts import Counts
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
        self._partitions = self._configured = partitions
        self._weights: dict[str, FastWeights] = {}
        self._champion: Recommender | None = None
        self._in_use = False
        self._revised: set[str] = set()
        self._use_problem: str | None = None
        self._model = ModelInService(registry, partial(loaded, load), every=limits.registry)
        self._model_problem: str | None = None
        self.store_problem: str | None = None
        self._profiles = Profiles(open_store=open_store, timeout=limits.store_timeout, metrics=self.metrics)
        self._popularity = Counts(self._profiles.popularity, longest=limits.refresh)
        self._co_clicks = Counts(self._profiles.co_clicks, longest=limits.co_clicks)
        self._revisions = Revisions(self._profiles, read_revision)
        self._arms = Arms(registry, partial(loaded, load), self._revisions, every=limits.registry)
        self.loaded_at = _now()
        self._scorer = Scorer(profiles=self._profiles, limits=limits, metrics=self.metrics)
        for step in (self._follow_registry, self._put_into_use, self._follow_experiments, self._put_into_use):
            self._try(step)  # the champion first, so that it answers whatever is wrong with an arm
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
        return self._scorer.experiments

    @property
    def experiment_problems(self) -> list[str]:
        """Why other experiments than those in force may be meant, or an arm gets its control; none if all is well."""
        return [*self._arms.problems, *([self._use_problem] if self._use_problem else [])]

    @property
    def weights(self) -> ModelWeights | None:
        """The fast weights in service, which are of this model; None if there are none."""
        return self._scorer.weights

    def _keep_fresh(self) -> None:
        timeout, due = OPEN_TIMEOUT, 0.0
        always = [self._follow_registry, self._put_into_use, self._follow_experiments, self._follow_routers]
        always += [self._put_into_use, self._follow_popularity, self._follow_co_clicks]
        while not self._stopped.is_set():
            looks = time.monotonic() >= due
            if looks:
                self._try(partial(self._profiles.check, timeout=timeout))
                self._tried.set()
            seldom = [self._follow_fast_weights, self._follow_progress, self._learn_mixing]
            steps = [*always, *seldom] if looks else always
            done = [self._try(step) for step in steps]
            if not all(done):
                self._stopped.wait(self.limits.refresh)
            now = time.monotonic()
            if looks:
                timeout, due = self.limits.refresh, now + self.limits.refresh
            soon = min(due - now, self.limits.router, self.limits.registry)
            self._stopped.wait(min(soon, self._popularity.waits(now), self._co_clicks.waits(now)))

    def _try(self, step: Callable[[], object]) -> bool:
        """Take a step. The thread must outlive any fault, and no fault may hold up the other steps."""
        try:
            step()
        except Exception:
            log.exception("refreshing failed; it is tried again")
            return False
        return True

    def _put_into_use(self) -> None:
        """Answer with what has been found, from the next batch on; after a fault what was in use stays, until it can.

        All that is said of what answers is taken from there, so it never says what does not answer yet.
        """
        if self._in_use or self._champion is None:
            return
        before = self._scorer.recommender
        another = before is None or before.model_version != self._champion.model_version
        try:
            if another:
                self._champion = self._briefed(self._champion)
            self._scorer.use(self._arms.lineup(self._champion, self._weights))
        except Exception as error:
            self._use_problem = (
                f"model {self._champion.model_version} and the experiments cannot be put into use: {error!r}; what was "
                "in use goes on, and it is tried again"
            )
            raise
        self._in_use, self._use_problem = True, None
        if another:
            self.loaded_at = _now()
            if before is not None:
                self.metrics.reloaded(ok=True)

    def _follow_experiments(self) -> None:
        if self._champion is not None and self._arms.follow(self._champion):
            self._in_use = False
        self.metrics.stale_experiments.set(bool(self.experiment_problems))

    def _follow_routers(self) -> None:
        """Serve with the newest revisions of the router from the next batch on."""
        if self._champion is None:
            return
        self._revised |= self._revisions.look(self._arms.routers)
        if self._revised:
            self._arms.revise(self._revised)
            self._champion, self._in_use = self._revisions.applied(CHAMPION, self._champion), False
            self._revised = set()

    def _follow_popularity(self) -> None:
        half_life = self._champion.half_life_ms if self._champion is not None else math.inf
        self._popularity.follow(self._partitions, half_life, self._observe_popularity)

    def _observe_popularity(self, snapshots: list[PopularitySnapshot]) -> None:
        self._arms.observe_popularity(snapshots)
        for recommender in self._models():  # the first model is told when it goes into service
            recommender.observe_popularity(snapshots)
            self.metrics.counts_reach("popularity", snapshots)

    def _follow_co_clicks(self) -> None:
        half_life = self._champion.co_click_half_life_ms if self._champion is not None else math.inf
        self._co_clicks.follow(self._partitions, half_life, self._observe_co_clicks)

    def _observe_co_clicks(self, snapshots: list[CoClickSnapshot]) -> None:
        self._arms.observe_co_clicks(snapshots)
        for recommender in self._models():
            recommender.observe_co_clicks(snapshots)
            self.metrics.counts_reach("co_clicks", snapshots)

    def _learn_mixing(self) -> None:
        """Learn how much is mixed in from what users have clicked."""
        for recommender in [*self._models(), *self._arms.recommenders()]:
            recommender.learn()

    def _models(self) -> list[Recommender]:
        """The model that is to answer and, as long as that cannot be put into use, the one that still does."""
        found = [one for one in (self._champion, self._scorer.recommender) if one is not None]
        return found[:1] if len({one.model_version for one in found}) == 1 else found

    def _follow_fast_weights(self) -> None:
        found = self._profiles.fast_weights(sorted(self._arms.fast))
        if not found or found.items() <= self._weights.items():  # while the store is away, the last ones hold
            return
        self._weights = {arm: self._weights[arm] for arm in self._arms.fast if arm in self._weights} | found
        self._in_use = False

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
            self._champion, self._in_use = recommender, False
        problem = self._model.problem
        if problem is not None and problem != self._model_problem:
            self.metrics.reloaded(ok=False)
        self._model_problem = problem
        self.metrics.stale_model.set(problem is not None)

    def _briefed(self, recommender: Recommender) -> Recommender:
        """Tell a model that goes into service what is known now; it may have been in service a while ago."""
        recommender.begin_anew()
        if self._popularity.known:
            recommender.observe_popularity(self._popularity.known)
            self.metrics.counts_reach("popularity", self._popularity.known)
        if self._co_clicks.known:
            recommender.observe_co_clicks(self._co_clicks.known)
            self.metrics.counts_reach("co_clicks", self._co_clicks.known)
        return self._revisions.applied(CHAMPION, recommender)


def _now() -> int:
    return time.time_ns() // 1_000_000
