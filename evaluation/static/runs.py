"""From a candidate model's name to runs on disk."""

from __future__ import annotations

from dataclasses import replace

from evaluation.candidates.counting import COUNTING_MODELS, count_run
from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.revisions import revisions_beside
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentData
from evaluation.protocol.fitting import FitConfig, fit_run, fit_until_stopped
from evaluation.protocol.scores import Run
from evaluation.results.provenance import REVISION, data_hash, digest
from evaluation.results.store import RunKey, RunRecord, Store
from evaluation.routing.routings import ROUTINGS, from_rows
from evaluation.static.plan import Task
from mos_online.errors import ModelError
from mos_online.training.routing import Routing


def protocol(data: ExperimentData, config: FitConfig, sizes: Sizes, model: str = "") -> str:
    """Short hash of everything that must be equal for two runs to be comparable, but for the candidate model's name."""
    return digest(REVISION, data_hash(data.log.events), data.config, config, sizes, *revisions_beside(model))


def protocols(data: ExperimentData, config: FitConfig, sizes: Sizes) -> list[str]:
    """Those of all candidate models."""
    names = [*CANDIDATE_MODELS, *COUNTING_MODELS]
    return list(dict.fromkeys(protocol(data, config, sizes, model) for model in names))


def run_task(task: Task, data: ExperimentData, store: Store, *, config: FitConfig, sizes: Sizes) -> list[RunRecord]:
    """Fit and score a candidate model with all its seeds, but for those that are there.

    The first ``config.tuning`` seeds try every learning rate, and the rate of the best mean on validation counts for
    all of them: chosen by one seed, luck decided between models.

    Raises:
        ModelError: no such model or backbone.
    """
    about = protocol(data, config, sizes, task.model)
    keys = [RunKey(task.dataset, task.backbone, task.model, seed) for seed in range(task.seeds)]
    done = {key: record for key in keys if (record := store.record(key, about)) is not None}
    tried: dict[float, list[Runs]] = {}
    if task.model in COUNTING_MODELS:
        tried[0.0] = []
    elif done:
        tried[next(iter(done.values())).rate] = []
    else:
        for rate in config.rates:
            tried[rate] = [run_once(key, data, config, rate, sizes) for key in keys[: config.tuning]]
    rate = max(tried, key=lambda one: _mean_quality(task.model, tried[one]))
    ready = dict(zip(keys, tried[rate], strict=False))
    for key in keys:
        if key not in done:
            runs = ready[key] if key in ready else run_once(key, data, config, rate, sizes)
            records = {
                model: store.record(one, made_by) or store.write_run(one, made_by, run)
                for model, run in runs.items()
                for one in [RunKey(key.dataset, key.backbone, model, key.seed)]
                for made_by in [protocol(data, config, sizes, model)]
            }
            done[key] = records[key.model]
    return [done[key] for key in keys]


Runs = dict[str, Run]
"""What one fit has scored, by the name of the candidate model: alone, and with what is mixed in."""


def _mean_quality(model: str, runs: list[Runs]) -> float:
    return sum(run[model].validation or 0.0 for run in runs) / max(len(runs), 1)


def run_once(key: RunKey, data: ExperimentData, config: FitConfig, rate: float, sizes: Sizes) -> Runs:
    """Fit and score one candidate model with one seed and one learning rate.

    Raises:
        ModelError: no such model or backbone.
    """
    if key.model in COUNTING_MODELS:
        return {key.model: count_run(COUNTING_MODELS[key.model], data)}
    if key.model not in CANDIDATE_MODELS:
        known = ", ".join([*CANDIDATE_MODELS, *COUNTING_MODELS])
        raise ModelError(f"unknown model {key.model!r}; there are: {known}")
    candidate = CANDIDATE_MODELS[key.model]
    if candidate.routing == "own":
        routing = _own_routing(key, data, config, rate, sizes)
    else:
        routing = ROUTINGS[candidate.routing](data, key.seed)
    alone, mixed = fit_run(
        lambda: candidate.make(sizes.config(data.catalogue, key.backbone, routing, gap_ms=data.log.gap_ms)),
        data,
        routing,
        config=config,
        rate=rate,
        seed=key.seed,
        mixed=candidate.alone is not None,
    )
    return (
        {key.model: alone} if mixed is None or candidate.alone is None else {candidate.alone: alone, key.model: mixed}
    )


def _own_routing(key: RunKey, data: ExperimentData, config: FitConfig, rate: float, sizes: Sizes) -> Routing:
    """Themes from the item vectors of the backbone after one pass: what the click loss alone finds."""
    fitted, _ = fit_until_stopped(
        lambda: CANDIDATE_MODELS["backbone"].make(
            sizes.config(data.catalogue, key.backbone, data.routing, gap_ms=data.log.gap_ms)
        ),
        data,
        data.routing,
        config=replace(config, epochs=1),
        rate=rate,
        seed=key.seed,
    )
    return from_rows(data, fitted.model.get_parameter("item.weight").detach().numpy(), key.seed)
