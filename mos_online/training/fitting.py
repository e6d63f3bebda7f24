"""Fitting the model of a prepared log: alone, or as a member of a team of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor

from mos_online.model import MoS
from mos_online.training.config import TrainConfig
from mos_online.training.device import choose_device
from mos_online.training.examples import ExampleLog
from mos_online.training.fit import Loss, Outcome, Reached, fit, go_on
from mos_online.training.loss import ranking_loss
from mos_online.training.measure import measure
from mos_online.training.prepare import Progress, TrainingData, untrained_model
from mos_online.training.routing import describe_items
from mos_online.training.starts import FromStart, fit_from_better_start
from mos_online.training.team import ALONE, Team


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What an early stop looks at.

    Attributes:
        examples: validation positions.
        log_share: see ``TrainingData.log_share``.
    """

    examples: ExampleLog
    log_share: Tensor


@dataclass(frozen=True, kw_only=True)
class Found:
    """How a fit came out; see ``FromStart``."""

    alike: bool
    reached: Reached
    passes: int
    share: float

    @classmethod
    def of(cls, fitted: FromStart[MoS]) -> Self:
        """All but the model."""
        return cls(alike=fitted.alike, reached=fitted.reached, passes=fitted.passes, share=fitted.share)


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What fitting needs of a prepared log, and no more: it may have to travel to other machines.

    Attributes:
        learned: examples to learn from.
        guide: the positions that decide the start and the stop; or how the fit came out that goes on.
        begun: the model to begin with, whose items start out alike or not; that of the earlier fit if it goes on.
    """

    learned: ExampleLog
    guide: Watched | Found
    begun: Callable[[bool], MoS]

    @classmethod
    def of(cls, data: TrainingData, config: TrainConfig) -> Self:
        """Fit the examples before validation, which is watched."""
        every = -(-data.validation.count // config.watched)
        watched = replace(data.validation, moments=data.validation.moments[::every])
        return cls(
            learned=data.learned,
            guide=Watched(examples=watched, log_share=data.log_share),
            begun=lambda alike: untrained_model(data, seed=config.seed, alike=alike),
        )

    @classmethod
    def going_on(cls, data: TrainingData, fitted: FromStart[MoS]) -> Self:
        """Go on with all examples, of which all items are known; changes the fitted model."""
        model = fitted.model
        describe_items(model, data.catalogue, data.routing, data.catalogue.marked(set(data.catalogue.items)))
        return cls(learned=data.everything, guide=Found.of(fitted), begun=lambda _: model)

    @property
    def starts(self) -> tuple[bool, ...]:
        """The starts that are tried: whether items start out alike."""
        return (self.guide.alike,) if isinstance(self.guide, Found) else (True, False)


Fitter = Callable[[Fitting, TrainConfig, Progress], FromStart[MoS]]
"""Fits a model somewhere, by ``fit_as_member`` in one or more processes. Raises ModelError if it cannot."""


def fit_here(fitting: Fitting, config: TrainConfig, on_progress: Progress) -> FromStart[MoS]:
    """Fit in this process, on ``config.device``."""
    return fit_as_member(ALONE, fitting, config, choose_device(config.device), on_progress)


def fit_as_member(
    team: Team, fitting: Fitting, config: TrainConfig, device: torch.device, on_progress: Progress
) -> FromStart[MoS]:
    """Fit from the better of two starts, stopped by some of the validation positions; or go on with all examples.

    Every member takes its share of the moments of each step, and the gradients are added up: a step is as large as one
    process would take it. The first member alone looks at the validation positions.

    Args:
        team: who takes part. Each member calls this with the same fitting and configuration.
        fitting: what to fit.
        config: budget and seed.
        device: where this member computes.
        on_progress: see ``Progress``; each member calls its own.

    Returns:
        The fitted model, equal for all members.
    """

    def make(alike: bool) -> MoS:
        return fitting.begun(alike).to(device)

    def loss_of(model: MoS) -> Loss:
        generator = torch.Generator().manual_seed(config.seed + team.rank)
        return partial(_part_of_loss, team, model, fitting.learned, generator)

    guide = fitting.guide
    if isinstance(guide, Found):
        model = make(guide.alike)
        passes = go_on(
            model,
            len(fitting.learned),
            loss_of(model),
            budget=config.budget,
            share=guide.share,
            seed=config.seed,
            on_progress=lambda part, words: on_progress("all examples", part, words),
            team=team,
        )
        return FromStart(
            model=model, alike=guide.alike, reached=guide.reached, passes=guide.passes + passes, share=guide.share
        )
    stages = iter(("start: items of a session alike", "start: items at random", "fit"))

    def descend(model: MoS, begin: float, end: float) -> Outcome:
        stage = next(stages)

        def quality() -> Reached:
            ndcg, auc = team.first(lambda: _quality(model, guide), 2)
            return Reached(ndcg=ndcg, auc=auc)

        return fit(
            model,
            len(fitting.learned),
            loss_of(model),
            quality,
            budget=config.budget,
            seed=config.seed,
            begin=begin,
            end=end,
            on_progress=lambda part, words: on_progress(stage, (part - begin) / (end - begin), words),
            team=team,
        )

    return fit_from_better_start(make, descend)


def _quality(model: MoS, watched: Watched) -> tuple[float, float]:
    found = measure(model, watched.examples, watched.log_share)
    return found.ndcg, found.auc


def _part_of_loss(
    team: Team, model: MoS, data: ExampleLog, generator: torch.Generator, numbers: Sequence[int]
) -> Tensor:
    """This member's part of the mean loss of some moments: its own mean, by its share of the targets."""
    mine = team.share(numbers)
    counted = data.targets(mine)
    if not counted:  # fewer moments are left than there are members
        return torch.zeros((), device=model.device, requires_grad=True)
    return ranking_loss(model, data.of(mine), generator) * (counted / data.targets(numbers))
