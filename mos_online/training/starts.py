"""Two ways for items to start out, alike or at random, and which of them is better on a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import polars as pl
import torch
from torch import Tensor

from mos_online.model.sequence_model import SequenceModel
from mos_online.themes import TableConfig
from mos_online.themes.cooccurrence import routing_table, sharing_items
from mos_online.training.catalogue import Catalogue
from mos_online.training.fit import Outcome, Reached

TRIAL = 1 / 2
"""The share of the schedule (passes, or time) after which the worse start is given up. It may lead at first."""

M = TypeVar("M", bound=SequenceModel)

Descend = Callable[[M, float, float], Outcome]
"""Fits a model from one share of the schedule to another."""


@dataclass(frozen=True, kw_only=True)
class FromStart(Generic[M]):
    """A fitted model and how it came about.

    Attributes:
        model: with the best weights.
        alike: whether items that share sessions started out alike.
        reached: on validation.
        passes: over the examples, those of the trial that was given up not counted.
        share: of the schedule that was gone when it was best, 0 for a model that is best untrained.
    """

    model: M
    alike: bool
    reached: Reached
    passes: int
    share: float


def fit_from_better_start(make: Callable[[bool], M], descend: Descend[M]) -> FromStart[M]:
    """Fit from both starts for a share of the schedule, and go on with the better one.

    Args:
        make: makes an untrained model, whose items start out alike or not.
        descend: fits it.
    """
    tried = []
    for alike in (True, False):
        model = make(alike)
        trial = descend(model, 0.0, TRIAL)
        tried.append(
            FromStart(model=model, alike=alike, reached=trial.reached, passes=trial.passes, share=trial.share or 0.0)
        )
    best = max(tried, key=lambda one: one.reached.both)
    rest = descend(best.model, TRIAL, 1.0)
    share = best.share if rest.share is None else rest.share
    return replace(best, reached=rest.reached, passes=best.passes + rest.passes, share=share)


def rows_of_sessions(past: pl.DataFrame, catalogue: Catalogue, *, width: int, seed: int) -> Tensor:
    """First rows for items that share sessions, alike for those that share many; see ``SequenceModel.start_from``.

    Args:
        past: the events to learn from; columns session_id, item_id.
        catalogue: the item rows.
        width: of a row.
        seed: of the decomposition.

    Returns:
        float32 (items + 1, width): unit vectors of co-occurrence inside sessions, zero for items too rare for one, and
        in the last columns where few items share sessions.
    """
    start = torch.zeros(len(catalogue.items) + 1, width)
    config = TableConfig(dimensions=min(width, past["item_id"].n_unique() // 4), min_sessions=2, rarer=True, seed=seed)
    too_many = config.fewest_items - sharing_items(past, config)
    dimensions = config.dimensions - max(too_many, 0)
    if dimensions < 1:
        return start
    names, table = routing_table(past, replace(config, dimensions=dimensions))
    start[catalogue.rows_of(names), :dimensions] = torch.from_numpy(table)
    return start
