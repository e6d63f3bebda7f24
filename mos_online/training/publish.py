"""A trained model goes into the registry, with its card."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import msgspec
import polars as pl
import torch

from mos_online.model import MoS
from mos_online.model.catalogued import Catalogued
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.training.card import model_card
from mos_online.training.click_log import ClickLog
from mos_online.training.config import TrainConfig
from mos_online.training.prepare import TrainingData
from mos_online.training.report import TrainReport

CATALOGUED = 20_000
"""At most so many items that nobody has clicked are listed, those that come first: each costs time in every answer."""

POPULAR_OF, POPULAR = 100_000, 200
"""The most clicked items of so many newest clicks are kept, so many of them, as the last resort of the service."""


def most_clicked(log: ClickLog) -> list[str]:
    """The last resort of the service: the most clicked items of the newest clicks."""
    newest = log.by_time["item_id"].tail(POPULAR_OF)
    found: list[str] = newest.value_counts(sort=True)["item_id"].head(POPULAR).to_list()
    return found


def as_checkpoint(model: MoS, data: TrainingData) -> ModelCheckpoint:
    """A model with all that it needs to serve."""
    return ModelCheckpoint(
        model=model,
        router=data.router,
        items=list(data.catalogue.items),
        categories=list(data.catalogue.categories),
        popular=most_clicked(data.log),
        catalogued=_catalogued(data),
        half_life_ms=data.half_life_ms,
        co_click_half_life_ms=data.counting.knn.half_life_ms,
        training={},
    )


def _catalogued(data: TrainingData) -> Catalogued:
    """Items that the catalogue says something of, and that nobody has clicked."""
    log, vectors = data.log, data.vectors
    told = {item for item, row in zip(vectors.items, vectors.rows, strict=True) if row.any() or item in log.categories}
    items = [item for item in vectors.items if item in told and item not in data.catalogue.rows]
    listed = items[:CATALOGUED]
    return Catalogued(
        items=listed,
        categories=log.categories_of(listed),
        vectors=torch.from_numpy(vectors.of(listed)),
        share=unclicked_share(data.past["item_id"], log.by_time["item_id"][data.border :], told),
    )


def unclicked_share(past: pl.Series, later: pl.Series, told: set[str]) -> float:
    """The share of the later clicks that an item gets on average that the catalogue lists and nobody had clicked.

    It is the probability of the unseen (Good 1953), by counting: only first clicks count, since then an item is seen.
    There is half a click more than were counted, so that a short log does not make them impossible.
    """
    unclicked = told - set(past)
    first = len(unclicked & set(later))
    return (first + 0.5) / max(len(unclicked), 1) / max(len(later), 1)


def publish(
    checkpoint: ModelCheckpoint,
    report: TrainReport,
    data: TrainingData,
    registry: Registry,
    *,
    config: TrainConfig,
    dataset: str,
) -> None:
    """Write the card and put the model into the registry, as the candidate.

    Args:
        checkpoint: the model; the report and the configuration are added to its ``training``.
        report: what was made and measured.
        data: what it was made from.
        registry: where the model goes.
        config: how it was made.
        dataset: name of the log.

    Raises:
        ModelError: the registry is damaged or cannot be written.
    """
    checkpoint.training.update(msgspec.to_builtins(report) | {"config": asdict(config), "dataset": dataset})
    times = data.log.by_time["timestamp"]
    card = model_card(report, name=dataset, span=(int(times[0]), int(times[-1])), backbone=config.backbone)
    with tempfile.TemporaryDirectory() as draft:
        checkpoint.save_pretrained(Path(draft), card)
        registry.add(Path(draft), metrics=_metrics(report))


def _metrics(report: TrainReport) -> dict[str, float]:
    """What the manifest says of the model and of the baselines, on the validation positions."""
    metrics = {"hit_rate_at_10": report.mos_hit_rate, "ndcg_at_10": report.mos_ndcg}
    for who, measured in report.baselines.items():
        metrics |= {f"{who}_{metric}": estimate.mean for metric, estimate in measured.items()}
    return metrics
