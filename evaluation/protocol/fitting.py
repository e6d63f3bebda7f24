"""Fitting one candidate model with one seed, and scoring the test positions with it once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from evaluation.protocol.data import ExperimentData
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Run, Scores, joined, parameters
from mos_online.model import SequenceModel
from mos_online.model.expectation import Expectations
from mos_online.training import TrainConfig
from mos_online.training.content import predict_rows
from mos_online.training.examples import ExampleLog
from mos_online.training.fit import Budget, Outcome, fit, go_on
from mos_online.training.mixing import learn_mixing
from mos_online.training.routing import Routing, describe_items
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import FromStart, fit_from_better_start

PARTS = 10
"""What is mixed in is learned anew after each of so many parts of the test."""

LEARNED_ANEW = 2_000
"""On so many of the newest requests; fine-tuning takes no more."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The budget of every candidate model.

    Attributes:
        epochs, patience: see ``mos_online.training.fit.Budget``.
        rates: learning rates that are tried; tuning: by so many seeds.
        seconds: of one fit's schedule, at most: so many that passes and patience decide, and not the machine.
        step: positions of one step.
    """

    epochs: int = TrainConfig.epochs
    patience: int = TrainConfig.patience
    rates: tuple[float, ...] = (TrainConfig.rate,)
    tuning: int = 1
    seconds: float = 3600.0
    step: int = TrainConfig.step


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model after fitting.

    Attributes:
        model: in the mode to score.
        sequences: the histories by the routing that it was fitted with.
        validation: the best quality on validation, whose weights were kept: ``mos_online.training.fit.Reached.both``.
        alike: whether items that share sessions started out alike, which validation decided.
        passes: over the training positions.
    """

    model: SequenceModel
    sequences: SequenceLog
    validation: float
    alike: bool
    passes: int


def fit_model(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
    mixed: bool = False,
) -> Fitted:
    """Fit a model as ``mos train`` does: from the better start, stopped by validation; then it goes on with everything.

    Args:
        make: builds an untrained model; called after torch is seeded.
        data: the positions.
        routing: themes of sessions and items.
        config: the budget.
        rate: learning rate.
        seed: of weights and order.
        mixed: whether the weights of co-clicks and popularity beside the model are learned on validation.
    """
    best, sequences = fit_until_stopped(make, data, routing, config=config, rate=rate, seed=seed)
    model = best.model
    predict_rows(model, _clicks(data, 1))
    if mixed:
        learn_what_is_mixed_in(model, data.beside_neighbours[0], sequences)
    describe_items(model, data.catalogue, routing, data.known_at_test)
    go_on_with(data.everything, model, sequences, share=best.share, config=config, rate=rate, seed=seed)
    predict_rows(model, _clicks(data, 2))
    return Fitted(model=model, sequences=sequences, validation=best.reached.both, alike=best.alike, passes=best.passes)


def fit_until_stopped(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
) -> tuple[FromStart[SequenceModel], SequenceLog]:
    """The first part of ``fit_model``, which learns nothing of validation; and the histories."""
    sequences = data.sequences(routing)

    def made(alike: bool) -> SequenceModel:
        torch.manual_seed(seed)
        model = make()
        describe_items(model, data.catalogue, routing, data.known)
        if alike:
            model.start_from(data.first_rows(model.config.width))
        return model

    best = fit_requests(made, data.train, data.validation, sequences, config=config, rate=rate, seed=seed)
    return best, sequences


def learn_what_is_mixed_in(model: SequenceModel, validation: list[RequestBatch], sequences: SequenceLog) -> None:
    """Learn the weights of co-clicks and popularity on requests that have neighbours."""
    watched = [moment for batch in validation for moment in batch.moments]
    learn_mixing(model, ExampleLog(moments=watched, log=sequences, config=model.config))


def _clicks(data: ExperimentData, cut: int) -> Tensor:
    return data.catalogue.clicks(data.past(cut)["item_id"].to_list())


def fit_run(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
    mixed: bool = False,
) -> tuple[Run, Run | None]:
    """Fit as ``fit_model`` does, then score the test positions.

    What is mixed in is learned anew after each tenth of them; see ``score_as_served``.

    Returns:
        The run of the model alone, and that of the same fit with co-clicks and popularity, if it is ``mixed``.
    """
    started = time.monotonic()
    fitted = fit_model(make, data, routing, config=config, rate=rate, seed=seed, mixed=mixed)
    seconds = time.monotonic() - started

    def run(score: Callable[[], Scores]) -> Run:
        began = time.monotonic()
        scores = score()
        return Run(
            scores=scores,
            validation=fitted.validation,
            rate=rate,
            alike=fitted.alike,
            passes=fitted.passes,
            seconds=seconds,
            seconds_scoring=time.monotonic() - began,
            parameters=parameters(fitted.model),
        )

    alone = run(lambda: RequestSet(data.test, fitted.sequences, fitted.model.config).score(fitted.model))
    if not mixed:
        return alone, None
    return alone, run(lambda: score_as_served(fitted.model, data.beside_neighbours[1], fitted.sequences))


def score_as_served(model: SequenceModel, requests: list[RequestBatch], sequences: SequenceLog) -> Scores:
    """Score requests, with what is mixed in learned anew on those that were scored, as fine-tuning learns it.

    It happens after each of ``PARTS`` equal parts, on the newest ``LEARNED_ANEW`` requests. All else of the model stays
    as it is: it learns none of them.

    Args:
        model: fitted; its mixing changes.
        requests: in order of time, with neighbours.
        sequences: the histories.
    """
    borders = sorted({len(requests) * part // PARTS for part in range(PARTS + 1)})
    scored, expectations = [], Expectations(model.config.items + 1, model.device)
    for begin, end in pairwise(borders):
        if begin:
            learn_what_is_mixed_in(model, _newest(requests[:begin], LEARNED_ANEW), sequences)
        scored.append(RequestSet(requests[begin:end], sequences, model.config).score(model, expectations))
    return joined(scored)


def _newest(requests: list[RequestBatch], count: int) -> list[RequestBatch]:
    """The last batches that together have at least so many positions, or all."""
    sizes = [len(one.positions) for one in reversed(requests)]
    enough = next((batches for batches, done in enumerate(accumulate(sizes), 1) if done >= count), len(requests))
    return requests[-enough:]


def fit_requests(
    make: Callable[[bool], SequenceModel],
    train: list[RequestBatch],
    validation: list[RequestBatch],
    sequences: SequenceLog,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
) -> FromStart[SequenceModel]:
    """Fit within the budget from the better of two starts.

    Args:
        make: makes an untrained model, whose items start out alike or not.
        train: what is learned.
        validation: by what it is stopped, and its start and weights are chosen.
        sequences: the histories.
        config: the budget.
        rate: learning rate.
        seed: of the order.
    """
    budget = _budget(config, rate, train)

    def descend(model: SequenceModel, begin: float, end: float) -> Outcome:
        learned, judged = (RequestSet(part, sequences, model.config) for part in (train, validation))
        generator = torch.Generator().manual_seed(seed)
        return fit(
            model,
            len(train),
            lambda numbers: learned.loss(model, numbers, generator),
            lambda: judged.quality(model),
            budget=budget,
            seed=seed,
            begin=begin,
            end=end,
        )

    return fit_from_better_start(make, descend)


def go_on_with(
    requests: list[RequestBatch],
    model: SequenceModel,
    sequences: SequenceLog,
    *,
    share: float,
    config: FitConfig,
    rate: float,
    seed: int,
) -> None:
    """Let a fitted model go on with all requests, those by which it was stopped among them; see ``fit_requests``."""
    learned = RequestSet(requests, sequences, model.config)
    generator = torch.Generator().manual_seed(seed)
    go_on(
        model,
        len(requests),
        lambda numbers: learned.loss(model, numbers, generator),
        budget=_budget(config, rate, requests),
        share=share,
        seed=seed,
    )


def _budget(config: FitConfig, rate: float, requests: list[RequestBatch]) -> Budget:
    moments = max(config.step // max(len(one.positions) for one in requests), 1)
    return Budget(seconds=config.seconds, epochs=config.epochs, patience=config.patience, rate=rate, moments=moments)
