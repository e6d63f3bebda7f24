"""Mean routing vectors: of categories, for items without a row of their own, and of sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp

from mos_online.arrays import Floats32


def category_means(names: Sequence[str], table: Floats32, categories: Mapping[str, str]) -> tuple[list[str], Floats32]:
    """Unit mean of the rows of each category, by name."""
    sums: dict[str, Floats32] = {}
    for name, row in zip(names, table, strict=True):
        category = categories.get(name)
        if category is not None:
            sums[category] = sums[category] + row if category in sums else row.copy()
    kept = sorted(name for name, total in sums.items() if np.linalg.norm(total) > 1e-6)
    rows = [sums[name] / np.linalg.norm(sums[name]) for name in kept]
    return kept, np.array(rows, np.float32).reshape(len(kept), table.shape[1])


def session_means(events: pl.DataFrame, names: Sequence[str], table: Floats32) -> Floats32:
    """Unit mean row of every session with a known item, ordered by session: float32 (sessions, d_r)."""
    index = pl.DataFrame({"item_id": names, "row": np.arange(len(names))})
    known = events.select("session_id", "item_id").join(index, on="item_id").sort("session_id")
    session = known["session_id"].rle_id().to_numpy()
    shape = (int(session[-1]) + 1 if len(session) else 0, len(names))
    owner = sp.csr_matrix((np.ones(len(session), np.float32), (session, known["row"].to_numpy())), shape=shape)
    sums = owner @ table
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    kept = norms.ravel() > 1e-6
    return np.asarray(sums[kept] / norms[kept], np.float32)
