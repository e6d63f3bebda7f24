"""Fitting one candidate model with one seed, and scoring the test positions with it once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from evaluation.protocol.data import ExperimentData
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Run, parameters
from mos_online.model import SequenceModel
from mos_online.training import TrainConfig
from mos_online.training.content import predict_rows
from mos_online.training.examples import ExampleLog
from mos_online.training.fit import REFRESH_SLOWDOWN, REFRESH_STEP, Budget, Reached, fit, refresh
from mos_online.training.mixing import learn_mixing
from mos_online.training.routing import Routing, describe_items
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import FromStart, fit_from_better_start


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
    """Fit a model as ``mos train`` does: from the better start, stopped by validation, which is then learned too.

    Args:
        make: builds an untrained model; called after torch is seeded.
        data: the positions.
        routing: themes of sessions and items.
        config: the budget.
        rate: learning rate.
        seed: of weights and order.
        mixed: whether the weights of co-clicks and popularity beside the model are learned on validation.
    """
    sequences = data.sequences(routing)

    def made(alike: bool) -> SequenceModel:
        torch.manual_seed(seed)
        model = make()
        describe_items(model, data.catalogue, routing, data.known)
        if alike:
            model.start_from(data.first_rows(model.config.width))
        return model

    parts = data.train, data.validation
    best = fit_requests(made, *parts, sequences, config=config, rate=rate, seed=seed)
    predict_rows(best.model, data.catalogue.clicks(data.past(1)["item_id"].to_list()))
    if mixed:
        watched = [moment for batch in data.beside_neighbours[0] for moment in batch.moments]
        learn_mixing(best.model, ExampleLog(moments=watched, log=sequences, config=best.model.config))
    _learn_the_newest(best.model, data, sequences, routing, config=config, rate=rate, seed=seed)
    return Fitted(
        model=best.model, sequences=sequences, validation=best.reached.both, alike=best.alike, passes=best.passes
    )


def _learn_the_newest(
    model: SequenceModel,
    data: ExperimentData,
    sequences: SequenceLog,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
) -> None:
    """One pass over all positions between training and test, after which their items are known."""
    describe_items(model, data.catalogue, routing, data.known_at_test)
    newest = RequestSet(data.newest, sequences, model.config)
    generator = torch.Generator().manual_seed(seed)
    refresh(
        model,
        len(newest.requests),
        lambda numbers: newest.loss(model, numbers, generator),
        rate=rate / REFRESH_SLOWDOWN,
        together=max(REFRESH_STEP // data.config.moment, 1),
    )


def fit_run(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
    mixed: bool = False,
) -> Run:
    """Fit as ``fit_model`` does, then score the test positions once."""
    started = time.monotonic()
    fitted = fit_model(make, data, routing, config=config, rate=rate, seed=seed, mixed=mixed)
    seconds = time.monotonic() - started
    requests = data.beside_neighbours[1] if mixed else data.test
    test = RequestSet(requests, fitted.sequences, fitted.model.config)
    started = time.monotonic()
    scores = test.score(fitted.model)
    return Run(
        scores=scores,
        validation=fitted.validation,
        rate=rate,
        alike=fitted.alike,
        passes=fitted.passes,
        seconds=seconds,
        seconds_scoring=time.monotonic() - started,
        parameters=parameters(fitted.model),
    )


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
    moments = max(config.step // len(train[0].positions), 1)
    budget = Budget(seconds=config.seconds, epochs=config.epochs, patience=config.patience, rate=rate, moments=moments)

    def descend(model: SequenceModel, begin: float, end: float) -> tuple[Reached, int]:
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
