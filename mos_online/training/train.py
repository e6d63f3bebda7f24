"""Themes and a MoS from a click log, start to finish: prepare, fit, measure beside the baselines, publish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl
import torch

from mos_online.baselines import choose_knn
from mos_online.metrics import Judged
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training.config import TrainConfig
from mos_online.training.device import choose_device
from mos_online.training.fit import Budget, Reached, fit, refresh
from mos_online.training.loss import ranking_loss
from mos_online.training.measure import Quality, measure, measure_baselines
from mos_online.training.prepare import Progress, TrainingData, prepare, untrained_model
from mos_online.training.publish import as_checkpoint, publish
from mos_online.training.report import TrainReport
from mos_online.training.routing import describe_items

TRIAL, TRIAL_PASSES = 0.25, 3
"""Share of the time, and passes, in which each of the two starts is tried. After a single pass the worse may lead."""

REFRESH_SLOWDOWN = 5
"""The pass over the validation positions has a learning rate so many times smaller than the fit's."""


def train(
    events: pl.DataFrame,
    items: pl.DataFrame,
    registry: Registry,
    *,
    sessions: SessionConfig,
    config: TrainConfig,
    name: str,
    on_progress: Progress,
) -> TrainReport:
    """Make a model and add it to the registry as the candidate; ``Registry.promote`` puts it into service.

    The log is split by time: themes from the oldest part, examples after it, validation the newest. Measured and
    stopped on the validation part, the model then makes one pass over it, so that in service it has seen the newest
    events too.

    Args:
        events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
        items: columns item_id, title, category.
        registry: where the model is added.
        sessions: rules by which the log is cut.
        config: sizes and budget.
        name: of the dataset, for the card.
        on_progress: see ``Progress``.

    Raises:
        DatasetError: the log is too short.
        ModelError: no themes can be learned from it.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    started = time.monotonic()
    data = prepare(events, items, sessions, config, on_progress)
    start = _better_start(data, config, on_progress)
    model, passes = start.model, _fit(start.model, data, config, on_progress)
    trained = measure(model, data.validation, data.log_share)
    on_progress("baselines", 0.0, "on the same positions")
    baselines = _baselines(data, sessions)
    _learn_the_newest(model, data, config)
    checkpoint = as_checkpoint(model.cpu(), data)
    report = _report(
        checkpoint, data, start, trained, baselines, passes=passes, seconds=round(time.monotonic() - started, 1)
    )
    publish(checkpoint, report, data, registry, config=config, dataset=name)
    return report


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A model after a short trial, how good it was before, and whether its items started out alike."""

    model: MoS
    untrained: Quality
    reached: Reached
    alike: bool


def _better_start(data: TrainingData, config: TrainConfig, on_progress: Progress) -> _Start:
    """The better of two models after a few passes each: items that share sessions start out alike, or not."""
    budget = replace(config.budget, seconds=TRIAL * config.budget.seconds, epochs=TRIAL_PASSES)
    tried = []
    for alike in (True, False):
        on_progress("start", float(not alike) / 2, "items of one session start out alike" if alike else "at random")
        model = untrained_model(data, seed=config.seed, alike=alike).to(choose_device(config.device))
        untrained = measure(model, data.validation, data.log_share)
        reached, _ = _descend(model, data, config, budget, lambda part, words: None)
        tried.append(_Start(model=model, untrained=untrained, reached=reached, alike=alike))
    on_progress("start", 1.0, "chosen on validation")
    return max(tried, key=lambda start: start.reached.both)


def _fit(model: MoS, data: TrainingData, config: TrainConfig, on_progress: Progress) -> int:
    """Fit with the time that the trials have left; the number of passes."""
    budget = replace(config.budget, seconds=(1 - 2 * TRIAL) * config.budget.seconds)
    _, passes = _descend(model, data, config, budget, lambda part, words: on_progress("fit", part, words))
    return passes


def _descend(
    model: MoS, data: TrainingData, config: TrainConfig, budget: Budget, on_progress: Callable[[float, str], None]
) -> tuple[Reached, int]:
    """Fit, stopped by some of the validation positions; what is reached, and the number of passes."""
    generator = torch.Generator().manual_seed(config.seed)
    every = -(-data.validation.count // config.watched)
    watched = replace(data.validation, moments=data.validation.moments[::every])

    def quality() -> Reached:
        found = measure(model, watched, data.log_share)
        return Reached(ndcg=found.ndcg, auc=found.auc)

    return fit(
        model,
        len(data.learned),
        lambda numbers: ranking_loss(model, data.learned.of(numbers), generator),
        quality,
        budget=budget,
        seed=config.seed,
        on_progress=on_progress,
    )


def _baselines(data: TrainingData, sessions: SessionConfig) -> Judged:
    """What those who only count reach on the validation positions, with the settings that were best before them."""
    best = choose_knn(data.past, gap_ms=sessions.gap, popularity_half_life_ms=data.half_life_ms)
    return measure_baselines(
        data.log.clicks, data.border, half_life_ms=data.half_life_ms, gap_ms=sessions.gap, best=best
    )


def _learn_the_newest(model: MoS, data: TrainingData, config: TrainConfig) -> None:
    """One pass over the validation positions, after which every item of the log is known."""
    describe_items(model, data.catalogue, data.routing, data.catalogue.marked(set(data.catalogue.items)))
    generator = torch.Generator().manual_seed(config.seed)
    refresh(
        model,
        len(data.validation),
        lambda numbers: ranking_loss(model, data.validation.of(numbers), generator),
        rate=config.rate / REFRESH_SLOWDOWN,
        together=max(config.step // 4 // config.fresh, 1),
    )


def _report(
    checkpoint: ModelCheckpoint,
    data: TrainingData,
    start: _Start,
    trained: Quality,
    baselines: Judged,
    *,
    passes: int,
    seconds: float,
) -> TrainReport:
    return TrainReport(
        version=checkpoint.version,
        router_version=data.router.version,
        events=len(data.log.by_time),
        items=len(data.catalogue.items),
        router_events=data.first,
        examples=data.learned.count,
        validation_examples=trained.positions,
        half_life_hours=data.half_life_ms / 3_600_000,
        mos_hit_rate=trained.hit_rate,
        mos_ndcg=trained.ndcg,
        untrained_ndcg=start.untrained.ndcg,
        alike=start.alike,
        baselines={
            who: {"hit_rate_at_10": baselines.hit_rate[who], "ndcg_at_10": baselines.ndcg[who]}
            for who in baselines.hit_rate
        },
        passes=passes,
        seconds=seconds,
        theme_labels=data.router.labels,
    )
