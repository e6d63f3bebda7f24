"""The models and routers of experiments, beside the model in service: each model is loaded once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mos_online.errors import ModelError
from mos_online.experiments.treatment import CHAMPION, FROZEN, Treatment, Treatments
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.learning.fast_weights import FastWeights
from mos_online.recommend.recommender import Recommender
from mos_online.registry.experiments import ExperimentHistory, ExperimentsFollower, Found
from mos_online.registry.follower import Followed
from serving.scoring.in_service import InService
from serving.scoring.lineup import Lineup
from serving.scoring.revisions import Revisions

RETRY = 30.0
"""Seconds until a model that could not be loaded is tried again."""

log = logging.getLogger(__name__)


class ExperimentRegistry(Followed, Protocol):
    """The part of ``Registry`` that a replica reads."""

    def experiments(self) -> ExperimentHistory:
        """The experiments that are in force."""


class _Key(NamedTuple):
    """What a recommender of an arm is: a version of the model, and the arm whose revisions its router has."""

    model: str
    router: str


class Arms:
    """Follows the experiments, and holds what their arms answer with; called by the thread that refreshes."""

    def __init__(
        self,
        registry: ExperimentRegistry,
        load: Callable[[Path], Recommender],
        revisions: Revisions,
        *,
        every: float,
    ) -> None:
        """Know of no experiments; ``follow`` looks for them, at most every so many seconds."""
        self._registry = registry
        self._load = load
        self._revisions = revisions
        self._follower = ExperimentsFollower(registry.experiments(), every=every)
        self._taken_up = Found()
        self._treatments: Treatments | None = None
        self._recommenders: dict[_Key, Recommender] = {}
        self._models: dict[str, Recommender] = {}
        self._not_loaded: dict[str, str] = {}
        self._next_try = float("inf")
        self._counts: Sequence[PopularitySnapshot] = ()
        self._co_clicks: Sequence[CoClickSnapshot] = ()

    @property
    def problems(self) -> list[str]:
        """Why other experiments than those may be meant, and which models cannot be loaded."""
        return [*([self._follower.problem] if self._follower.problem else []), *self._not_loaded.values()]

    @property
    def routers(self) -> set[str]:
        """Arms that have revisions of the router, the champion's among them."""
        return {CHAMPION, *(self._treatments.routers if self._treatments else ())}

    @property
    def fast(self) -> set[str]:
        """Arms that have fast weights, the champion's among them."""
        return {CHAMPION, *(self._treatments.fast if self._treatments else ())}

    def follow(self, champion: Recommender) -> bool:
        """Look for other experiments, and load what they need; True if something else is in force."""
        self._follower.poll()
        found = self._follower.found
        if found.revision == self._taken_up.revision and time.monotonic() <= self._next_try:
            return False
        self._not_loaded = {}
        needed = found.in_force.models()
        self._models = {version: self._models[version] for version in needed if version in self._models}
        for version in needed - self._models.keys():
            self._fetch(version, champion)
        self._next_try = time.monotonic() + RETRY if self._not_loaded else float("inf")
        running = found.in_force.running
        self._treatments = Treatments(found.in_force, not_loaded=self._not_loaded) if running else None
        self._taken_up = found  # only now: after a fault all of it is tried again
        log.info("experiments in force: %s", ", ".join(f"{one.name}/{one.version}" for one in running) or "none")
        return True

    def revise(self, arms: set[str]) -> None:
        """Bring the recommenders of these arms to their newest revision."""
        for key, recommender in self._recommenders.items():
            if key.router in arms:
                self._recommenders[key] = self._revisions.applied(key.router, recommender)

    def observe_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        """Take the newest counts, as the model in service does."""
        self._counts = snapshots
        for recommender in self._recommenders.values():
            recommender.observe_popularity(snapshots)

    def observe_co_clicks(self, snapshots: Sequence[CoClickSnapshot]) -> None:
        """Take the newest co-clicks, as the model in service does."""
        self._co_clicks = snapshots
        for recommender in self._recommenders.values():
            recommender.observe_co_clicks(snapshots)

    def recommenders(self) -> list[Recommender]:
        """Those of the arms, without the champion's."""
        return list(self._recommenders.values())

    def lineup(self, champion: Recommender, weights: Mapping[str, FastWeights]) -> Lineup:
        """What answers from now on, beside this model.

        Args:
            champion: the model in service, under its newest revision.
            weights: fast weights by arm.
        """
        first = InService.of(champion, weights.get(CHAMPION))
        if champion.model_version in self._models:  # it may have been loaded for an arm first: one of them is enough
            self._models[champion.model_version] = champion
        if self._treatments is None:
            self._recommenders = {}
            return Lineup(champion=first, arms={}, experiments=self._taken_up.number)
        keys = {treatment: self._key(treatment, champion) for treatment in self._treatments.all()}
        main = _Key(champion.model_version, CHAMPION)
        self._recommenders = {
            key: self._recommenders.get(key) or self._made(key, champion) for key in {*keys.values()} - {main}
        }
        arms = {}
        for treatment, key in keys.items():
            recommender = champion if key == main else self._recommenders[key]
            learned = weights.get(treatment.learner) if treatment.fast_weights else None
            arms[treatment] = InService.of(recommender, learned)
        return Lineup(champion=first, treatments=self._treatments, arms=arms, experiments=self._taken_up.number)

    def _fetch(self, version: str, champion: Recommender) -> None:
        if version == champion.model_version:
            self._models[version] = champion
            return
        try:
            self._models[version] = self._load(self._registry.fetch(version))
        except Exception as error:  # whatever is wrong with a model, the others must go on
            log.error("users of an arm get its control: %s", error, exc_info=not isinstance(error, ModelError))
            self._not_loaded[version] = f"users of an arm get its control, because its model cannot be loaded: {error}"

    def _key(self, treatment: Treatment, champion: Recommender) -> _Key:
        assert self._treatments is not None  # noqa: S101 - the caller has looked
        return _Key(treatment.model or champion.model_version, self._treatments.router_of(treatment))

    def _made(self, key: _Key, champion: Recommender) -> Recommender:
        source = champion if key.model == champion.model_version else self._models[key.model]
        made = source.branched(own_router=key.router != CHAMPION)
        made.observe_popularity(self._counts)
        made.observe_co_clicks(self._co_clicks)
        return made if key.router == FROZEN else self._revisions.applied(key.router, made)
