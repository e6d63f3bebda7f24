"""The routing table: items that share sessions get nearby vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.sparse.linalg import ArpackError, svds

from mos_online.arrays import Floats, Floats32, Ints
from mos_online.errors import ModelError

PAIRS_AT_ONCE = 200_000
"""Pairs whose expected count is computed in one step: bounds the memory, changes nothing."""

NO_DIRECTION = 1e-6
"""Relative length of a row that is rounding noise: its item meets others by chance only, or no item of the table."""


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """How the routing table is learned.

    Attributes:
        dimensions: d_r, length of a routing vector.
        min_sessions: an item in fewer sessions of several items gets no row; its category's row stands for it.
        rarer: where too few items are in so many sessions, as on a short log, fewer sessions are enough.
        longest: sessions are cut to their first distinct items of this number, so that a bot's cannot dominate.
        slice_sessions: chance is counted inside slices of about so many consecutive sessions, see ``routing_table``.
        seed: of the start vector of the decomposition.
    """

    dimensions: int = 16
    min_sessions: int = 3
    rarer: bool = False
    longest: int = 50
    slice_sessions: int = 1000
    seed: int = 0

    @property
    def fewest_items(self) -> int:
        """A decomposition into so many dimensions needs more items than dimensions."""
        return self.dimensions + 2


def routing_table(events: pl.DataFrame, config: TableConfig) -> tuple[list[str], Floats32]:
    """Learn routing vectors from in-session co-occurrence.

    Positive PMI of the item-item co-occurrence counts, truncated SVD, rows U * sqrt(S) scaled to unit length: the
    factorisation view of skip-gram (Levy & Goldberg 2014).

    What chance would give is counted slice of time by slice of time: the expected count of a pair is the sum over
    slices of d_i d_j / d, with d_i the pairs of item i in the slice and d those of all items. Counted over the whole
    log instead, articles of one day attract each other because they lived on that day, and on eight days of news the
    themes are days: 72 % of the next day's sessions fitted none, against 3 % with slices. Where nothing ages, slices
    change nothing.

    Args:
        events: columns session_id, item_id (str), one row per event, ascending in time.
        config: sizes.

    Returns:
        Item ids, sorted, and their unit rows, float32 (items, dimensions).

    Raises:
        ModelError: too few items share sessions for a table of this many dimensions.
    """
    items, rows, session = session_members(events, config)
    counts = sp.csr_matrix((np.ones(len(rows)), (session, rows)), shape=(session[-1] + 1, len(items)))
    ppmi = _ppmi(counts, max(1, round(counts.shape[0] / config.slice_sessions)))
    table = _factors(ppmi, config)
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    kept = norms.ravel() > NO_DIRECTION * norms.max()
    unit: Floats32 = (table[kept] / norms[kept]).astype(np.float32)
    return [item for item, keep in zip(items, kept, strict=True) if keep], unit


def session_members(events: pl.DataFrame, config: TableConfig) -> tuple[list[str], Ints, Ints]:
    """Which items make up which session, as a routing table is learned from it.

    Args:
        events: as for ``routing_table``.
        config: of its attributes ``dimensions``, ``min_sessions`` and ``longest``.

    Returns:
        Item ids, sorted, and of each distinct (session, item) the item's number and the session's, int64 (n,):
        sessions are numbered 0, 1, ... by their first event and each is in one piece. A session of several items of
        which only one is frequent enough stays, with that one.

    Raises:
        ModelError: too few items share sessions for a table of this many dimensions.
    """
    pairs = _members(events, config)
    items = pairs["item_id"].unique().sort().to_list()
    if len(items) < config.fewest_items:
        often = "" if config.rarer else f" in {config.min_sessions} or more sessions"
        raise ModelError(
            f"themes need at least {config.fewest_items} items that share a session with others{often}; this log has "
            f"{len(items)} where themes are learned from: train on a longer log, or on one whose sessions hold several "
            "items (MOS_SESSION_GAP says where a session ends)"
        )
    numbered = pl.DataFrame({"item_id": items, "row": np.arange(len(items))})
    rows = pairs.join(numbered, on="item_id", how="left", maintain_order="left")["row"].to_numpy()
    return items, rows, pairs["session_id"].rle_id().to_numpy().astype(np.int64)


def sharing_items(events: pl.DataFrame, config: TableConfig) -> int:
    """How many items of ``session_members`` share a session with another one of them."""
    return _sharing(_members(events, config))


def _members(events: pl.DataFrame, config: TableConfig) -> pl.DataFrame:
    """Distinct items of the sessions that hold several, sessions in order of their first event and in one piece."""
    fewest = config.min_sessions
    pairs = _members_of(events, fewest, config.longest)
    while config.rarer and fewest > 1 and _sharing(pairs) < config.fewest_items:
        fewest -= 1
        pairs = _members_of(events, fewest, config.longest)
    return pairs


def _sharing(pairs: pl.DataFrame) -> int:
    return pairs.filter(pl.len().over("session_id") > 1)["item_id"].n_unique()


def _members_of(events: pl.DataFrame, fewest: int, longest: int) -> pl.DataFrame:
    """The same, items that are in at least so many sessions."""
    return (
        events.lazy()
        .select("session_id", "item_id")
        .drop_nulls("session_id")
        .with_row_index("at")
        .unique(["session_id", "item_id"], keep="first", maintain_order=True)
        .filter(pl.int_range(pl.len()).over("session_id") < longest)
        .filter(pl.len().over("session_id") > 1)
        .filter(pl.len().over("item_id") >= fewest)
        .with_columns(start=pl.col("at").min().over("session_id"))
        .sort("start", "at")
        .collect()
    )


def _ppmi(members: sp.csr_matrix, slices: int) -> sp.csr_matrix:
    """max(0, log(count / expected count)) of every pair of items that shares a session.

    Args:
        members: 0/1, (sessions, items), sessions in order of time.
        slices: of equally many sessions, inside which chance is counted.
    """
    together = (members.T @ members).tocoo()
    apart = together.row != together.col
    pairs = sp.coo_matrix((together.data[apart], (together.row[apart], together.col[apart])), shape=together.shape)
    if pairs.nnz == 0:
        raise ModelError("no two items share a session; themes need sessions of two or more items")
    sessions = members.tocoo()
    others = np.asarray(members.sum(1)).ravel() - 1
    part = sessions.row * slices // members.shape[0]
    degree = sp.csr_matrix((others[sessions.row], (sessions.col, part)), shape=(members.shape[1], slices))
    total = np.asarray(degree.sum(0)).ravel()
    scaled = (degree @ sp.diags(1 / np.sqrt(np.maximum(total, 1)))).tocsr()
    expected = np.concatenate(
        [
            np.asarray(
                scaled[pairs.row[i : i + PAIRS_AT_ONCE]].multiply(scaled[pairs.col[i : i + PAIRS_AT_ONCE]]).sum(1)
            )
            for i in range(0, pairs.nnz, PAIRS_AT_ONCE)
        ]
    ).ravel()
    pmi = np.log(pairs.data / expected)
    keep = pmi > 0
    return sp.csr_matrix((pmi[keep], (pairs.row[keep], pairs.col[keep])), shape=pairs.shape)


def _factors(ppmi: sp.csr_matrix, config: TableConfig) -> Floats:
    """U * sqrt(S), float64 (items, dimensions), strongest dimension first."""
    start = np.random.default_rng(config.seed).standard_normal(ppmi.shape[0])
    try:
        left, values, _ = svds(ppmi, k=config.dimensions, v0=start)
    except ArpackError as error:
        raise ModelError(f"the items' co-occurrence has fewer than {config.dimensions} dimensions: {error}") from None
    order = np.argsort(-values)
    factors: Floats = left[:, order] * np.sqrt(np.maximum(values[order], 0))
    return factors
