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
from mos_online.training.fit import Reached, fit
from mos_online.training.loss import ranking_loss
from mos_online.training.measure import measure
from mos_online.training.prepare import Progress, TrainingData, untrained_model
from mos_online.training.starts import FromStart, fit_from_better_start
from mos_online.training.team import ALONE, Team


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What fitting needs of a prepared log, and no more: it may have to travel to other machines.

    Attributes:
        learned: examples to learn from.
        watched: the validation positions that decide when to stop.
        log_share: see ``TrainingData.log_share``.
        untrained: makes the model, whose items start out alike or not.
    """

    learned: ExampleLog
    watched: ExampleLog
    log_share: Tensor
    untrained: Callable[[bool], MoS]

    @classmethod
    def of(cls, data: TrainingData, config: TrainConfig) -> Self:
        """Take it from a prepared log."""
        every = -(-data.validation.count // config.watched)
        return cls(
            learned=data.learned,
            watched=replace(data.validation, moments=data.validation.moments[::every]),
            log_share=data.log_share,
            untrained=lambda alike: untrained_model(data, seed=config.seed, alike=alike),
        )


Fitter = Callable[[Fitting, TrainConfig, Progress], FromStart[MoS]]
"""Fits a model somewhere, by ``fit_as_member`` in one or more processes. Raises ModelError if it cannot."""


def fit_here(fitting: Fitting, config: TrainConfig, on_progress: Progress) -> FromStart[MoS]:
    """Fit in this process, on ``config.device``."""
    return fit_as_member(ALONE, fitting, config, choose_device(config.device), on_progress)


def fit_as_member(
    team: Team, fitting: Fitting, config: TrainConfig, device: torch.device, on_progress: Progress
) -> FromStart[MoS]:
    """Fit from the better of two starts, stopped by some of the validation positions.

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
    stages = iter(("start: items of a session alike", "start: items at random", "fit"))

    def make(alike: bool) -> MoS:
        return fitting.untrained(alike).to(device)

    def descend(model: MoS, begin: float, end: float) -> tuple[Reached, int]:
        generator, stage = torch.Generator().manual_seed(config.seed + team.rank), next(stages)

        def quality() -> Reached:
            ndcg, auc = team.first(lambda: _quality(model, fitting), 2)
            return Reached(ndcg=ndcg, auc=auc)

        return fit(
            model,
            len(fitting.learned),
            partial(_part_of_loss, team, model, fitting.learned, generator),
            quality,
            budget=config.budget,
            seed=config.seed,
            begin=begin,
            end=end,
            on_progress=lambda part, words: on_progress(stage, (part - begin) / (end - begin), words),
            team=team,
        )

    return fit_from_better_start(make, descend)


def _quality(model: MoS, fitting: Fitting) -> tuple[float, float]:
    found = measure(model, fitting.watched, fitting.log_share)
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
