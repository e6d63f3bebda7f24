"""A drift that is planted in a log: from one moment on, items play the part of others, or new ones play it."""

from __future__ import annotations

import numpy as np
import polars as pl

from simulator.dataset import Dataset


def plant_drift(dataset: Dataset, *, at: int, moved: float, replaced: float, seed: int = 0) -> Dataset:
    """Let items change places from a moment on, so that whatever was learned of them before is wrong.

    Users do what they would have done: only the names change under which the items appear. ``moved`` of the items
    trade places among themselves. ``replaced`` of the others are gone, and new ones, ``new-...``, without a category,
    appear in their places. What the log says of an item's category is of its old place.

    Args:
        dataset: a log.
        at: the moment, ms.
        moved, replaced: shares of the items, together at most 1.
        seed: of the choice.
    """
    items = dataset.items["item_id"].to_list()
    chosen = np.random.default_rng(seed).permutation(len(items))
    trade, gone = np.split(chosen, [round(moved * len(items))])
    gone = gone[: round(replaced * len(items))]
    names = list(items)
    for place, other in zip(trade, np.roll(trade, 1), strict=True):
        names[place] = items[other]
    for place in gone:
        names[place] = f"new-{items[place]}"
    new = pl.DataFrame({"item_id": [names[place] for place in gone]}, schema={"item_id": pl.String})
    late = pl.col("timestamp") >= at
    return Dataset(
        name=dataset.name,
        events=dataset.events.with_columns(
            pl.when(late).then(pl.col("item_id").replace(items, names)).otherwise("item_id").alias("item_id")
        ),
        items=pl.concat([dataset.items, new], how="diagonal"),
        event_types=dataset.event_types,
        report=dataset.report,
    )
