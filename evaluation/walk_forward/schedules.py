"""Candidate models on schedules over a log that goes on: fit, update, score."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import torch

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.fitting import FitConfig, fit_requests, go_on_with, learn_what_is_mixed_in
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Run, Scores, joined, parameters
from evaluation.routing.routings import random_themes
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.knowledge import Knowledge, by_router, updated
from mos_online.model import SequenceModel
from mos_online.training import TrainConfig
from mos_online.training.content import predict_rows
from mos_online.training.fit import refresh
from mos_online.training.routing import Routing, describe_items
from mos_online.training.sequence_log import SequenceLog

SCHEDULES = ("frozen", "updated", "retrained")
"""A model stays as at the first step, takes one pass over each step's clicks, or is fitted anew every few steps."""

FITTED = ("backbone+table", "mos-served", "mos-random")

COMPARED = tuple(name for fitted in FITTED for name in (CANDIDATE_MODELS[fitted].alone, fitted) if name)
"""What is scored: a fit that is served also alone."""

BACKBONE = TrainConfig.backbone

UPDATE_RATE = 0.3
"""Learning rate of updates, as a share of the fits'."""


def walk_forward(
    data: WalkForwardData, seed: int, *, config: FitConfig, sizes: Sizes, on_progress: Callable[[int], None]
) -> dict[str, Run]:
    """Take every compared model on every schedule through all steps.

    Args:
        data: the log.
        seed: of the models.
        config: budget of a fit; the first of its rates counts.
        sizes: of the models.
        on_progress: called with each step done.

    Returns:
        "model@schedule" -> what it scored on all judged positions, in order of the steps.
    """
    models = {
        (name, schedule): _ScheduledModel(data, name, seed, config, sizes) for name in FITTED for schedule in SCHEDULES
    }
    known_by_update = updated(data)
    fitted = newest = by_router(data, data.routers[0], 0)
    for step in range(data.config.steps):
        if step in data.routers and step:
            newest = by_router(data, data.routers[step], step)
        known = dict(zip(SCHEDULES, (fitted, next(known_by_update), newest), strict=True))
        if step == 0:
            _fit_first(models, fitted)
        for (_, schedule), model in models.items():
            if schedule == "updated" and step:
                model.update(step, known[schedule])
            if schedule == "retrained" and step and step in data.routers:
                model.fit(step, known[schedule])
            model.score(step, known[schedule])
        on_progress(step)
    return {f"{name}@{schedule}": run for (_, schedule), model in models.items() for name, run in model.runs().items()}


def _fit_first(models: dict[tuple[str, str], _ScheduledModel], known: Knowledge) -> None:
    """Fit each model once; all its schedules start from it."""
    for name in FITTED:
        models[name, "frozen"].fit(0, known)
        for schedule in ("updated", "retrained"):
            models[name, schedule].start_from(models[name, "frozen"])


class _ScheduledModel:
    """One model on its way through the steps."""

    def __init__(self, data: WalkForwardData, name: str, seed: int, config: FitConfig, sizes: Sizes) -> None:
        self._data, self._candidate, self._seed, self._config = data, CANDIDATE_MODELS[name], seed, config
        self._name, self._sizes = name, sizes
        self._model: SequenceModel
        self._random: tuple[Routing, SequenceLog] | None = None
        self._scored_with: SequenceLog | None = None  # the histories as they were known at the last judged step
        self._scored: dict[str, list[Scores]] = defaultdict(list)
        self._seconds, self._scoring, self._passes, self._quality, self._alike = 0.0, 0.0, 0, 0.0, False

    def start_from(self, other: _ScheduledModel) -> None:
        """Copy another's model."""
        self._model = copy.deepcopy(other._model)
        self._quality, self._passes, self._alike = other._quality, other._passes, other._alike

    def fit(self, step: int, known: Knowledge) -> None:
        """Fit from scratch on the examples before the step, as ``mos train`` does."""
        began = time.monotonic()
        sizes = self._sizes.config(self._data.catalogue, BACKBONE, known.routing, gap_ms=self._data.log.gap_ms)
        train, validation = self._data.training(step)
        until = int(self._data.log.times[validation[0].positions[0]])
        learned = replace(known, known=self._data.known_before(until))

        def made(alike: bool) -> SequenceModel:
            torch.manual_seed(self._seed)
            self._model = self._candidate.make(sizes)
            self._tell(learned)
            if alike:
                self._model.start_from(self._data.first_rows(step, sizes.width))
            return self._model

        sequences = self._sequences(known)
        best = fit_requests(
            made, train, validation, sequences, config=self._config, rate=self._config.rates[0], seed=self._seed
        )
        self._model = best.model
        self._quality, self._passes, self._alike = best.reached.both, best.passes, best.alike
        before = self._data.log.before(until)["item_id"].to_list()
        predict_rows(best.model, self._data.catalogue.clicks(before))
        if self._candidate.alone:
            learn_what_is_mixed_in(best.model, self._data.watched_beside_neighbours(step), sequences)
        self._tell(known)
        go_on_with(
            [*train, *validation],
            best.model,
            sequences,
            share=best.share,
            config=self._config,
            rate=self._config.rates[0],
            seed=self._seed,
        )
        clicked = self._data.log.before(self._data.borders[step])["item_id"].to_list()
        predict_rows(best.model, self._data.catalogue.clicks(clicked))
        self._seconds += time.monotonic() - began

    def update(self, step: int, known: Knowledge) -> None:
        """Make one pass over the clicks since the step before began.

        First it is learned how much neighbours and popularity count, on what was judged then: as in fine-tuning, the
        model has not learned these clicks yet.
        """
        began = time.monotonic()
        if self._candidate.alone and self._scored_with is not None:
            judged = self._data.judged_beside_neighbours[step - 1]
            learn_what_is_mixed_in(self._model, judged, self._scored_with)
        sequences = self._tell(known)
        requests = self._data.update(step)
        if requests:
            self._one_pass(self._requests(requests, sequences))
        self._seconds += time.monotonic() - began

    def score(self, step: int, known: Knowledge) -> None:
        """Score the judged positions of the step."""
        requests = self._data.judged[step]
        if not requests:
            return
        sequences = self._scored_with = self._tell(known)
        alone = self._candidate.alone
        judged = {alone or self._name: requests}
        if alone:
            judged[self._name] = self._data.judged_beside_neighbours[step]
        began = time.monotonic()
        for name, asked in judged.items():
            self._scored[name].append(self._requests(asked, sequences).score(self._model))
        self._scoring += time.monotonic() - began

    def runs(self) -> dict[str, Run]:
        """All of it, by the name of what was scored."""
        return {name: self._run(scored) for name, scored in self._scored.items()}

    def _run(self, scored: list[Scores]) -> Run:
        return Run(
            scores=joined(scored),
            validation=self._quality,
            rate=self._config.rates[0],
            alike=self._alike,
            passes=self._passes,
            seconds=self._seconds,
            seconds_scoring=self._scoring,
            parameters=parameters(self._model),
        )

    def _tell(self, known: Knowledge) -> SequenceLog:
        """Tell the model what is known, and return the histories."""
        known = self._themed(known)
        describe_items(self._model, self._data.catalogue, known.routing, known.known)
        return known.sequences

    def _sequences(self, known: Knowledge) -> SequenceLog:
        return self._themed(known).sequences

    def _requests(self, requests: list[RequestBatch], sequences: SequenceLog) -> RequestSet:
        return RequestSet(requests, sequences, self._model.config)

    def _themed(self, known: Knowledge) -> Knowledge:
        """What is known; random routing has themes of items and sessions of its own, which were drawn once."""
        if self._candidate.routing != "random":
            return known
        if self._random is None:
            drawn = random_themes(known.routing, self._data.log.sessions, self._seed)
            self._random = drawn, self._data.sequences(drawn)
        drawn, sequences = self._random
        routing = replace(known.routing, item_theme=drawn.item_theme, event_theme=drawn.event_theme)
        return replace(known, routing=routing, sequences=sequences)

    def _one_pass(self, requests: RequestSet) -> None:
        """Over the requests in order of time."""
        generator = torch.Generator().manual_seed(self._seed)
        refresh(
            self._model,
            len(requests.requests),
            lambda numbers: requests.loss(self._model, numbers, generator),
            rate=UPDATE_RATE * self._config.rates[0],
            together=2,
        )
