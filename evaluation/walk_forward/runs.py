"""All models on all schedules with one seed, from a log to the store."""

from __future__ import annotations

import msgspec

from evaluation.candidates.counting import COUNTING_MODELS, count_run
from evaluation.candidates.revisions import revisions_beside
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.fitting import FitConfig
from evaluation.results.provenance import REVISION, data_hash, digest
from evaluation.results.store import RunKey, Store
from evaluation.walk_forward.data import WalkForwardData
from evaluation.walk_forward.new_item_routing import routability
from evaluation.walk_forward.schedules import BACKBONE, COMPARED, SCHEDULES, walk_forward

BUDGET = FitConfig()
"""The budget of every fit, the same for all models: that of `mos train`."""


def run_seed(
    data: WalkForwardData, seed: int, store: Store, *, config: FitConfig = BUDGET, sizes: Sizes | None = None
) -> None:
    """Take every model and schedule through the log, unless the store holds the runs.

    The first seed also describes the log and runs the models that count.

    Args:
        data: the log.
        seed: of the models.
        store: where runs are kept.
        config: budget of a fit.
        sizes: of the models.
    """
    sizes = sizes or Sizes()

    def protocol(name: str) -> str:
        return digest(REVISION, data_hash(data.log.events), data.config, config, sizes, *revisions_beside(name))

    made_by = {f"{name}@{schedule}": protocol(name) for name in COMPARED for schedule in SCHEDULES}
    if seed == 0:
        _describe(data, store, list(dict.fromkeys([*made_by.values(), *map(protocol, COUNTING_MODELS)])))
        for name, make in COUNTING_MODELS.items():
            key = RunKey(data.name, "counting", name, 0)
            if store.record(key, protocol(name)) is None:
                store.write_run(key, protocol(name), count_run(make, data))
    keys = {name: RunKey(data.name, BACKBONE, name, seed) for name in made_by}
    if all(store.record(key, made_by[name]) for name, key in keys.items()):
        return
    runs = walk_forward(data, seed, config=config, sizes=sizes, on_progress=lambda step: None)
    for name, key in keys.items():
        store.write_run(key, made_by[name], runs[name])


def _describe(data: WalkForwardData, store: Store, protocols: list[str]) -> None:
    about = {
        "events": len(data.log.events),
        "users": data.log.events["user_id"].n_unique(),
        "items": len(data.catalogue.items),
        "judged": sum(len(one.positions) for one in data.test),
        "borders_ms": data.borders,
        "half_life_hours": data.half_life_ms / 3_600_000,
        "data": data_hash(data.log.events),
        "protocols": protocols,
        "config": msgspec.to_builtins(data.config),
        "new_items": msgspec.to_builtins(routability(data)),
    }
    store.write_facts(data.name, about, data.facts())
