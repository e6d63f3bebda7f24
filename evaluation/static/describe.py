"""What is true of a dataset before any model is fitted: its size, its hopping, its test positions, its themes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.hopping.analysis import measure_hopping
from evaluation.hopping.verdict import verdict
from evaluation.protocol.data import ExperimentData
from evaluation.results.provenance import data_hash
from evaluation.results.store import Store
from evaluation.static.facts import facts
from evaluation.static.theme_map import theme_map
from mos_online.errors import DatasetError

DRAWN = 1500
"""Items of a theme map, at most."""


def describe(data: ExperimentData, store: Store, protocols: list[str]) -> None:
    """Write down what is true of the dataset, of its test positions, and whether its users hop before those; once.

    Args:
        data: the dataset.
        store: where it is written.
        protocols: of the runs that are compared on it. Runs that were made under others, such as on an older state of
            the log, are no longer read.
    """
    if store.describes(data.name, protocols):
        return
    positions = np.concatenate([one.positions for one in data.test])
    _, per_user = np.unique(data.log.users[positions], return_counts=True)
    begin, middle, end = data.split.borders
    about = {
        "events": len(data.log.events),
        "users": data.log.events["user_id"].n_unique(),
        "items": len(data.catalogue.items),
        "train": len(data.split.train),
        "validation": len(data.split.validation),
        "test": len(positions),
        "test_users": len(per_user),
        "largest_test_user": int(per_user.max()) / len(positions),
        "borders_ms": [begin, middle, end],
        "half_life_hours": data.half_life_ms / 3_600_000,
        "themes": data.router.n_themes,
        "router": data.router.version,
        "labels": data.router.labels[1:],
        "hopping": _hopping(data),
        "data": data_hash(data.log.events),
        "protocols": protocols,
    }
    store.write_facts(data.name, about, facts(data, positions))
    store.write_map(data.name, _map(data))


def _map(data: ExperimentData) -> dict[str, NDArray[np.generic]]:
    """Places of the items most clicked before the first cut that have a row of their own, and of the themes."""
    router = data.router
    clicked = data.past(0)["item_id"].value_counts(sort=True)["item_id"].to_list()
    names = [item for item in clicked if router.has_row(item)][:DRAWN]
    items, themes = theme_map(router.vectors(names, [None] * len(names)), router.prototypes)
    return {"items": items, "themes": themes, "theme": router.item_themes(names, [None] * len(names))}


def _hopping(data: ExperimentData) -> str:
    """What the hopping measure says of MoS, from the events before validation."""
    try:
        return verdict(measure_hopping(data.past(1), data.log.items, sessions=data.sessions).figures).word
    except DatasetError:
        return "too short to say"
