"""Themes and a MoS from a click log, start to finish: prepare, fit, measure beside the baselines, publish."""

from __future__ import annotations

import time

import polars as pl
import torch

from mos_online.metrics import Judged
from mos_online.model import MoS
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training.config import TrainConfig
from mos_online.training.content import predict_rows
from mos_online.training.counting import measure_baselines
from mos_online.training.fitting import Fitter, Fitting, fit_here
from mos_online.training.measure import Quality, measure
from mos_online.training.mixing import learn_mixing
from mos_online.training.mixing_ahead import learn_mixing_ahead, measure_ahead
from mos_online.training.prepare import Progress, TrainingData, prepare
from mos_online.training.publish import as_checkpoint, publish
from mos_online.training.report import TrainReport
from mos_online.training.starts import FromStart


def train(
    events: pl.DataFrame,
    items: pl.DataFrame,
    registry: Registry,
    *,
    sessions: SessionConfig,
    config: TrainConfig,
    name: str,
    on_progress: Progress,
    fitter: Fitter = fit_here,
) -> TrainReport:
    """Make a model and add it to the registry as the candidate; ``Registry.promote`` puts it into service.

    The log is split by time: themes from the oldest part, examples after it, validation the newest. On the validation
    part the model is stopped, learns how much neighbours and popularity count beside it, and is measured. Then it goes
    on with all examples, so that in service it has learned from the newest events too.

    Args:
        events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
        items: columns item_id, title, category.
        registry: where the model is added.
        sessions: rules by which the log is cut.
        config: sizes and budget.
        name: of the dataset, for the card.
        on_progress: see ``Progress``.
        fitter: where the model is fitted; everything else happens in this process.

    Raises:
        DatasetError: the log is too short.
        ModelError: no themes can be learned from it, or the fitter has failed.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    started = time.monotonic()
    data = prepare(events, items, sessions, config, on_progress)
    fitted = fitter(Fitting.of(data, config), config, on_progress)
    model = fitted.model
    predict_rows(model, data.catalogue.clicks(data.past["item_id"].to_list()))
    alone = measure(model, data.validation, data.log_share)
    learn_mixing(model, data.validation)
    learn_mixing_ahead(model, data.ahead)
    trained = measure(model, data.validation, data.log_share)
    as_now, ahead = measure(model, data.ahead, data.log_share), measure_ahead(model, data.ahead, data.log_share)
    on_progress("baselines", 0.0, "on the same positions")
    baselines = measure_baselines(data.log.clicks, data.judged, data.counting)
    finished = fitter(Fitting.going_on(data, fitted), config, on_progress)
    predict_rows(finished.model, data.catalogue.clicks(data.log.by_time["item_id"].to_list()))
    checkpoint = as_checkpoint(finished.model.cpu(), data)
    seconds = round(time.monotonic() - started, 1)
    report = _report(checkpoint, data, finished, (alone, trained, as_now, ahead), baselines, seconds=seconds)
    publish(checkpoint, report, data, registry, config=config, dataset=name)
    return report


def _report(
    checkpoint: ModelCheckpoint,
    data: TrainingData,
    fitted: FromStart[MoS],
    reached: tuple[Quality, Quality, Quality, Quality],
    baselines: Judged,
    *,
    seconds: float,
) -> TrainReport:
    (alone, trained, as_now, ahead), model = reached, checkpoint.model
    return TrainReport(
        version=checkpoint.version,
        router_version=data.router.version,
        events=len(data.log.by_time),
        items=len(data.catalogue.items),
        content=data.vectors.length,
        listed=len(checkpoint.catalogued.items),
        router_events=data.first,
        examples=data.learned.count,
        validation_examples=trained.positions,
        half_life_hours=data.half_life_ms / 3_600_000,
        knn_half_life_hours=data.counting.knn.half_life_ms / 3_600_000,
        knn_resumes=data.counting.knn.resumes,
        knn_repeats=data.counting.knn.repeats,
        popularity_repeats=data.counting.popularity_repeats,
        mos_hit_rate=trained.hit_rate,
        mos_ndcg=trained.ndcg,
        alone_hit_rate=alone.hit_rate,
        alone_ndcg=alone.ndcg,
        ahead_hours=model.ahead.delay_ms / 3_600_000,
        ahead_learned=not torch.equal(model.ahead.weights, model.mixing.weights),
        ahead_repeats=not model.ahead.leaves_out,
        ahead_examples=ahead.positions,
        ahead_ndcg=ahead.ndcg,
        ahead_as_now_ndcg=as_now.ndcg,
        alike=fitted.alike,
        baselines={
            who: {"hit_rate_at_10": baselines.hit_rate[who], "ndcg_at_10": baselines.ndcg[who]}
            for who in baselines.hit_rate
        },
        passes=fitted.passes,
        seconds=seconds,
        theme_labels=data.router.labels,
    )
