"""The router: the rule that gives a session its theme, over a routing table and prototypes that never change."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from mos_online.arrays import Floats, Floats32, Ints
from mos_online.contracts import Session, actions_of, category_of
from mos_online.errors import ModelError
from mos_online.themes.routed import UNROUTED, Routed
from mos_online.themes.routing_rows import check_table

GRID = 2.0**14
"""Routing vectors and prototypes are whole multiples of 1 / GRID, so that sums over a session and cosines are exact in
float64 (up to thousands of events): no order of events, batch, processor or library can change a theme."""


class Router:
    """Routes sessions and items to themes 1..K, or 0 (unrouted) where nothing fits.

    A session's embedding is the unit mean of its items' unit routing vectors, its theme the prototype of largest
    cosine. An item without a row of its own is placed by the mean of its category's rows; one without either does
    not count. Nothing moves: another assignment needs another version.

    A fitted router begins an epoch, in which theme ids keep their meaning; ``revise`` makes the revisions of it.

    Attributes:
        epoch: the version of the router that began the epoch: its own, if it is no revision.
        sequence: number of the revision in the epoch; 0 for the router that began it.
        labels: readable name of each theme; index 0 is "unrouted".
        tau: least cosine of a routed session.
        items: ids of the items with a row of their own.
        category_rows: names of the categories with a row.
        categories: item -> category, of every item known at fitting time.
        config: how the router was fitted, for the record.
    """

    def __init__(
        self,
        *,
        items: Sequence[str],
        table: Floats32,
        prototypes: Floats32,
        category_rows: Sequence[str],
        category_table: Floats32,
        categories: Mapping[str, str],
        tau: float,
        labels: Sequence[str],
        config: Mapping[str, object],
        epoch: str | None = None,
        sequence: int = 0,
    ) -> None:
        """Take the parts as they are; ``fit_router`` learns them and ``load_router`` reads them.

        Args:
            items: ids of the items with a row.
            table: their unit rows, float32 (items, d_r).
            prototypes: unit rows, float32 (K, d_r).
            category_rows: categories with a row.
            category_table: their unit mean rows, float32 (categories, d_r).
            categories: item -> category, of every item known at fitting time.
            tau: as the attribute.
            labels: as the attribute, K + 1.
            config: kept for the record.
            epoch: of a revision, the version of the router that began its epoch.
            sequence: as the attribute.

        Raises:
            ValueError: the sizes do not fit together.
        """
        rows = np.concatenate([np.asarray(part, np.float64) for part in (table, category_table)])
        self.tau = tau
        self.labels = list(labels)
        self.items = list(items)
        self.category_rows = list(category_rows)
        self.categories = dict(categories)
        self.config = dict(config)
        self.sequence = sequence
        nowhere = np.zeros((1, rows.shape[1]))  # the last row: of items without one
        self._rows = np.concatenate([_on_grid(rows), nowhere])
        self._prototypes = _on_grid(np.asarray(prototypes, np.float64))
        self._item_row = {item: row for row, item in enumerate(self.items)}
        self._category_row = {name: row for row, name in enumerate(self.category_rows, len(self.items))}
        expected = (len(self.items) + len(self.category_rows) + 1, self.dimensions)
        if self._rows.shape != expected or len(table) != len(self.items) or len(self.labels) != self.n_themes + 1:
            raise ValueError(f"{len(self.labels)} labels, rows {self._rows.shape}, expected {expected}")
        self.epoch = self.version if epoch is None else epoch

    @cached_property
    def version(self) -> str:
        """Short hash of the content, e.g. ``r-3f2a9c1b``; epoch and sequence are not in it."""
        return self._hash()

    def at(self, event_time: int) -> Self:
        """The router in force at a time: a single router always is."""
        return self

    @property
    def n_themes(self) -> int:
        """K, the number of themes without the unrouted theme 0."""
        return len(self._prototypes)

    @property
    def dimensions(self) -> int:
        """d_r, the length of a routing vector."""
        return int(self._prototypes.shape[1])

    @property
    def prototypes(self) -> Floats32:
        """Unit rows of themes 1..K, float32 (K, d_r), a copy."""
        return self._prototypes.astype(np.float32)

    def route(self, session: Session) -> Routed:
        """Place a closed session among the themes; O(events * d_r + K * d_r), independent of everything else."""
        rows = []
        for event in actions_of(session):
            row = self._item_row.get(event.item_id)
            if row is None:
                row = self._row(event.item_id, category_of(event))
            if row is not None:
                rows.append(row)
        return self._assign(rows)

    def session_themes(
        self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]
    ) -> list[int]:
        """Theme of each of several sessions laid end to end: what ``route`` gives one by one, at a tenth of the cost.

        Args:
            item_ids: of all actions, session by session.
            categories: in the same order, as the events named them; None where they did not.
            lengths: events of each session, at least 1.
        """
        if not lengths:
            return []
        totals = self._totals(item_ids, categories, lengths)
        weights = totals @ self._prototypes.T
        best = weights.argmax(1)
        norms = np.sqrt(np.square(totals).sum(1))
        near = (norms > 0) & (weights[np.arange(len(best)), best] >= self.tau * norms)
        themes: list[int] = np.where(near, best + 1, UNROUTED).tolist()
        return themes

    def embeddings(self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]) -> Floats:
        """Unit mean of the routing vectors of each of several sessions, float64 (n, d_r); zeros where none is known.

        The arguments are those of ``session_themes``.
        """
        if not lengths:
            return np.zeros((0, self.dimensions))
        totals = self._totals(item_ids, categories, lengths)
        norms = np.sqrt(np.square(totals).sum(1, keepdims=True))
        unit: Floats = np.divide(totals, norms, out=np.zeros_like(totals), where=norms > 0)
        return unit

    def _totals(self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]) -> Floats:
        """Sum of the rows of each session, float64 (n, d_r)."""
        nowhere = len(self._rows) - 1
        rows = [self._item_row.get(item, nowhere) for item in item_ids]
        if nowhere in rows:
            for at, row in enumerate(rows):
                if row == nowhere and (found := self._row(item_ids[at], categories[at])) is not None:
                    rows[at] = found
        totals: Floats = np.add.reduceat(self._rows.take(rows, 0), np.cumsum([0, *lengths[:-1]]), 0)
        return totals

    def item_themes(self, item_ids: Sequence[str], categories: Sequence[str | None]) -> Ints:
        """Theme of each item, int64 (n,): its own nearest prototype, 0 for an item without row and category row."""
        rows = [self._row(item, category) for item, category in zip(item_ids, categories, strict=True)]
        found = np.array([row is not None for row in rows], bool)
        themes = np.full(len(rows), UNROUTED, np.int64)
        vectors = self._rows[[row for row in rows if row is not None]]
        themes[found] = (vectors @ self._prototypes.T).argmax(1) + 1
        return themes

    def vectors(self, item_ids: Sequence[str], categories: Sequence[str | None]) -> Floats32:
        """Routing vector of each item, float32 (n, d_r): its own, else its category's, else zero."""
        found = np.zeros((len(item_ids), self.dimensions), np.float32)
        for at, (item, category) in enumerate(zip(item_ids, categories, strict=True)):
            row = self._row(item, category)
            if row is not None:
                found[at] = self._rows[row]
        return found

    def item_theme(self, item_id: str, category: str | None = None) -> int:
        """Theme of one item: its own nearest prototype, 0 without row and category row."""
        return int(self.item_themes([item_id], [category])[0])

    def has_row(self, item_id: str) -> bool:
        """Whether the item has a row of its own, not only its category's."""
        return item_id in self._item_row

    def with_rows(self, names: Sequence[str], table: Floats32) -> Self:
        """Another version that also knows these items, such as ``NewItems`` finds; themes and tau are the same.

        Args:
            names: items without a row, each once.
            table: their unit rows, float32 (items, d_r).

        Raises:
            ModelError: an item has a row already, names and rows do not belong together, or rows are not of unit
                length.
        """
        again = [name for name in names if self.has_row(name)]
        if again:
            raise ModelError(f"{len(again)} items have rows already, {again[0]!r} among them; give new items only")
        return self.revised(names, table, prototypes=self._prototypes, tau=self.tau, sequence=self.sequence)

    def revised(
        self, names: Sequence[str], table: ArrayLike, *, prototypes: ArrayLike, tau: float, sequence: int
    ) -> Self:
        """Another version of the same epoch: some items have other rows, or rows for the first time.

        Args:
            names: the items, each once.
            table: their unit rows, (items, d_r).
            prototypes: unit rows of all themes, (K, d_r).
            tau: as the attribute.
            sequence: as the attribute.

        Raises:
            ModelError: names and rows do not belong together, or rows are not of unit length.
        """
        given = np.asarray(table, np.float32)
        check_table(names, given)
        items = self.items + [name for name in names if name not in self._item_row]
        place = self._item_row | {name: row for row, name in enumerate(items[len(self.items) :], len(self.items))}
        tensors = self.tensors()
        rows = np.concatenate([tensors["table"], np.zeros((len(items) - len(self.items), self.dimensions), np.float32)])
        rows[[place[name] for name in names]] = given
        return type(self)(
            items=items,
            table=rows,
            prototypes=np.asarray(prototypes, np.float32),
            category_rows=self.category_rows,
            category_table=tensors["category_table"],
            categories=self.categories,
            tau=tau,
            labels=self.labels,
            config=self.config,
            epoch=self.epoch,
            sequence=sequence,
        )

    def _row(self, item_id: str, category: str | None) -> int | None:
        """Row of the item, else of its category as the event names it, else as it was known at fitting time."""
        row = self._item_row.get(item_id)
        if row is None and category is not None:
            row = self._category_row.get(category)
        if row is None and (known := self.categories.get(item_id)) is not None:
            row = self._category_row.get(known)
        return row

    def _assign(self, rows: list[int]) -> Routed:
        total = np.add.reduce(self._rows.take(rows, 0), 0) if rows else np.zeros(self.dimensions)
        norm = math.sqrt(float(total @ total))
        if norm == 0:
            return Routed(UNROUTED, [0.0] * self.dimensions, [0.0] * self.n_themes)
        weights = self._prototypes @ total
        best = int(weights.argmax())
        theme = best + 1 if weights[best] >= self.tau * norm else UNROUTED
        # float32 is what the store keeps: a profile read back equals the one written.
        return Routed(theme, (total / norm).astype(np.float32).tolist(), (weights / norm).astype(np.float32).tolist())

    def tensors(self) -> dict[str, Floats32]:
        """Routing table, prototypes and category table, float32, as they are stored; copies."""
        table, category_table = np.split(self._rows[:-1].astype(np.float32), [len(self.items)])
        return {
            "table": table.copy(),
            "prototypes": self._prototypes.astype(np.float32),
            "category_table": category_table.copy(),
        }

    def _hash(self) -> str:
        digest = hashlib.blake2s()
        for _, tensor in sorted(self.tensors().items()):
            digest.update(str(tensor.shape).encode() + tensor.tobytes())
        digest.update(msgspec.json.encode([self.items, self.category_rows, sorted(self.categories.items()), self.tau]))
        return f"r-{digest.hexdigest()[:8]}"


def _on_grid(rows: Floats) -> Floats:
    """The nearest points of the grid, with one zero: a message of whole numbers has no other one."""
    rounded: Floats = np.rint(rows * GRID) / GRID + 0.0
    return rounded
