"""Fitting one candidate model with one seed, and scoring the test positions with it once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from evaluation.protocol.data import ExperimentData
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.scores import Run, parameters
from mos_online.model import SequenceModel
from mos_online.training.fit import Budget, fit
from mos_online.training.routing import Routing, describe_items
from mos_online.training.sequence_log import SequenceLog


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The budget of every candidate model.

    Attributes:
        epochs, patience: see ``mos_online.training.fit.Budget``.
        rates: learning rates that are tried; tuning: by so many seeds.
        seconds: of one fit, at most.
        step: positions of one step.
    """

    epochs: int = 6
    patience: int = 2
    rates: tuple[float, ...] = (3e-3, 1e-2)
    tuning: int = 2
    seconds: float = 600.0
    step: int = 1024


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model after fitting.

    Attributes:
        model: in the mode to score.
        sequences: the histories by the routing that it was fitted with.
        validation: the best quality on validation, whose weights were kept: ``mos_online.training.fit.Reached.both``.
        passes: over the training positions.
    """

    model: SequenceModel
    sequences: SequenceLog
    validation: float
    passes: int


def fit_model(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
) -> Fitted:
    """Make a model, fit it on the training positions and stop by validation.

    Args:
        make: builds an untrained model; called after torch is seeded.
        data: the positions.
        routing: themes of sessions and items.
        config: the budget.
        rate: learning rate.
        seed: of weights and order.
    """
    torch.manual_seed(seed)
    model = make()
    describe_items(model, data.catalogue, routing, data.known)
    sequences = data.sequences(routing)
    train, validation = (RequestSet(part, sequences, model.config) for part in (data.train, data.validation))
    reached, passes = fit_requests(model, train, validation, config=config, rate=rate, seed=seed)
    return Fitted(model=model, sequences=sequences, validation=reached, passes=passes)


def fit_run(
    make: Callable[[], SequenceModel],
    data: ExperimentData,
    routing: Routing,
    *,
    config: FitConfig,
    rate: float,
    seed: int,
) -> Run:
    """Fit as ``fit_model`` does, then score the test positions once."""
    started = time.monotonic()
    fitted = fit_model(make, data, routing, config=config, rate=rate, seed=seed)
    seconds = time.monotonic() - started
    test = RequestSet(data.test, fitted.sequences, fitted.model.config)
    started = time.monotonic()
    scores = test.score(fitted.model)
    return Run(
        scores=scores,
        validation=fitted.validation,
        rate=rate,
        passes=fitted.passes,
        seconds=seconds,
        seconds_scoring=time.monotonic() - started,
        parameters=parameters(fitted.model),
    )


def fit_requests(
    model: SequenceModel, train: RequestSet, validation: RequestSet, *, config: FitConfig, rate: float, seed: int
) -> tuple[float, int]:
    """Fit within the budget; the best quality on validation, whose weights are kept, and the passes."""
    generator = torch.Generator().manual_seed(seed)
    best, passes = fit(
        model,
        len(train.requests),
        lambda numbers: train.loss(model, numbers, generator),
        lambda: validation.quality(model),
        budget=Budget(
            seconds=config.seconds,
            epochs=config.epochs,
            patience=config.patience,
            rate=rate,
            moments=max(config.step // len(train.requests[0].positions), 1),
        ),
        seed=seed,
    )
    return best.both, passes
