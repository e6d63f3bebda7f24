"""Vectors of items from what the catalogue says of them: vectors that come with it, or its texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from mos_online.arrays import Floats, Floats32
from mos_online.items.item_texts import Vocabulary

DIMENSIONS = 64
"""Vectors are at most so long; longer ones are projected to so many dimensions."""

VECTOR = "vector"
"""The column of vectors that come with a catalogue, lists of float64."""

SPARE, ITERATIONS = 16, 5
"""Of the subspace iteration: dimensions beyond those that are wanted, and rounds."""

NOTHING = 1e-6
"""Rows shorter than this point nowhere."""


@dataclass(frozen=True, kw_only=True)
class ItemVectors:
    """Vectors of items.

    Attributes:
        items: ids, each once.
        rows: float32 (items, d_c), of unit length, or zero where nothing is known; d_c is 0 if nothing is known of any.
    """

    items: Sequence[str]
    rows: Floats32

    @property
    def length(self) -> int:
        """d_c."""
        return int(self.rows.shape[1])

    @cached_property
    def _place(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self.items)}

    def of(self, items: Sequence[str]) -> Floats32:
        """The rows of some items, float32 (n, d_c), zero for one that is not among them."""
        places = np.array([self._place.get(item, -1) for item in items], np.int64)
        found = np.zeros((len(items), self.length), np.float32)
        found[places >= 0] = self.rows[places[places >= 0]]
        return found


NO_VECTORS = ItemVectors(items=[], rows=np.zeros((0, 0), np.float32))
"""Nothing is known of any item."""


def item_vectors(items: pl.DataFrame, seen: Collection[str]) -> ItemVectors:
    """Make vectors: those that come with the catalogue if there are any, otherwise of the words of its texts.

    Texts become vectors by latent semantic analysis (Deerwester et al. 1990): words weighted by their rarity, and a
    truncated SVD. Vectors that are longer than ``DIMENSIONS`` are projected in the same way. Rarity and directions are
    learned from the items that have been seen, so that they say nothing of those that come later.

    Args:
        items: column item_id (str), and perhaps ``vector``; every other column of texts is read.
        seen: the items to learn from.
    """
    items = items.unique("item_id", keep="last", maintain_order=True)
    known = items["item_id"].is_in(list(seen)).to_numpy()
    names: list[str] = items["item_id"].to_list()
    rows = _shortened(_matrix(items, known), known)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > NOTHING)
    return ItemVectors(items=names, rows=unit.astype(np.float32))


def text_columns(items: pl.DataFrame) -> list[str]:
    """The columns of a catalogue that hold texts, but not those of ids or of nothing."""
    texts = [name for name, kind in items.schema.items() if kind == pl.String and name != "item_id"]
    return [name for name in texts if items[name].null_count() < len(items)]


def _matrix(items: pl.DataFrame, known: NDArray[np.bool_]) -> Floats | sp.csr_matrix:
    if VECTOR in items.columns:
        given = items[VECTOR]
        zero = [0.0] * int(given.list.len().max() or 0)  # type: ignore[arg-type]
        return np.array([zero if row is None else row for row in given.to_list()], np.float64).reshape(len(items), -1)
    columns = text_columns(items)
    if not columns:
        return np.zeros((len(items), 0))
    return Vocabulary.of(items.filter(known), columns).matrix(items)


def _shortened(matrix: Floats | sp.csr_matrix, known: NDArray[np.bool_]) -> Floats:
    """Rows, projected to the directions that say most of the known ones if they are too long."""
    if isinstance(matrix, np.ndarray) and matrix.shape[1] <= DIMENSIONS:
        return matrix
    directions = _directions(matrix[known])
    rows: Floats = np.asarray(matrix @ directions.T)
    return rows


def _directions(matrix: Floats | sp.csr_matrix) -> Floats:
    """The strongest right singular vectors, (at most ``DIMENSIONS``, columns), by subspace iteration (Halko 2011).

    Equal input gives equal directions. That does not hold for ARPACK where singular values are equal.
    """
    smaller = min(matrix.shape)
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], min(DIMENSIONS + SPARE, smaller)))
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(np.asarray(matrix @ start))[0]
        start = np.linalg.qr(np.asarray(matrix.T @ basis))[0]
    _, values, directions = np.linalg.svd(np.asarray((matrix.T @ basis).T), full_matrices=False)
    found: Floats = directions[:DIMENSIONS][values[:DIMENSIONS] > NOTHING]
    return found
