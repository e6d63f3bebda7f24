"""The routing table: items that share sessions get nearby vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from mos_online.errors import ModelError

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """How the routing table is learned.

    Attributes:
        dimensions: d_r, length of a routing vector.
        min_sessions: an item in fewer sessions gets no row of its own; its category's row stands for it.
        longest: sessions are cut to their first distinct items of this number, so that a bot's cannot dominate.
        smoothing: exponent of the context distribution (Levy, Goldberg, Dagan 2015); below 1 it tames rare items.
        seed: of the start vector of the decomposition.
    """

    dimensions: int = 16
    min_sessions: int = 3
    longest: int = 50
    smoothing: float = 0.75
    seed: int = 0


def routing_table(sessions: pl.DataFrame, config: TableConfig) -> tuple[list[str], Vectors]:
    """Learn routing vectors from in-session co-occurrence.

    PPMI of the item-item co-occurrence matrix, truncated SVD, rows U * sqrt(S) scaled to unit length: the
    factorisation view of skip-gram (Levy & Goldberg 2014).

    Args:
        sessions: columns session, item_id (str), one row per event.
        config: sizes.

    Returns:
        Item ids, sorted, and their unit rows, float32 (items, dimensions).

    Raises:
        ModelError: too few items share sessions for a table of this many dimensions.
    """
    pairs = (
        sessions.select("session", "item_id")
        .unique(maintain_order=True)
        .filter(pl.int_range(pl.len()).over("session") < config.longest)
    )
    frequent = pairs.group_by("item_id").len().filter(pl.col("len") >= config.min_sessions)["item_id"].sort()
    items = frequent.to_list()
    if len(items) <= config.dimensions + 1:
        raise ModelError(
            f"only {len(items)} items are in {config.min_sessions} or more sessions; a routing table of "
            f"{config.dimensions} dimensions needs more: train on a longer log or with fewer dimensions"
        )
    known = pairs.filter(pl.col("item_id").is_in(frequent.implode()))
    rows = known["session"].cast(pl.Categorical).to_physical().to_numpy()
    _, rows = np.unique(rows, return_inverse=True)
    columns = np.searchsorted(np.array(items, dtype=object), known["item_id"].to_numpy().astype(object))
    members = sp.csr_matrix((np.ones(len(rows), np.float64), (rows, columns)), shape=(rows.max() + 1, len(items)))
    together = (members.T @ members).tocsr()
    together.setdiag(0)
    together.eliminate_zeros()
    return items, _unit(_factors(_ppmi(together, config.smoothing), config))


def _ppmi(together: sp.csr_matrix, smoothing: float) -> sp.csr_matrix:
    """max(0, log(X_ij X.. / (X_i. X_.j))) with the smoothed context distribution."""
    total = together.sum()
    if total == 0:
        raise ModelError("no two items share a session; themes need sessions of two or more items")
    row = np.asarray(together.sum(1)).ravel()
    context = row**smoothing
    context *= total / context.sum()
    coo = together.tocoo()
    pmi = np.log(coo.data * total / (row[coo.row] * context[coo.col]))
    keep = pmi > 0
    return sp.csr_matrix((pmi[keep], (coo.row[keep], coo.col[keep])), shape=together.shape)


def _factors(ppmi: sp.csr_matrix, config: TableConfig) -> NDArray[np.float64]:
    start = np.random.default_rng(config.seed).standard_normal(ppmi.shape[0])
    left, values, _ = svds(ppmi, k=config.dimensions, v0=start, tol=1e-4)
    order = np.argsort(-values)
    left, values = left[:, order], values[order]
    left *= np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])])  # SVD leaves the signs open
    return np.asarray(left * np.sqrt(values), dtype=np.float64)


def _unit(rows: NDArray[np.float64]) -> Vectors:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0).astype(np.float32)
    return unit
