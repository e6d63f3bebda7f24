"""The items that can be recommended now, laid out for scoring."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mos_online.items.snapshot import PopularitySnapshot
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.model.popularity import PopularNow
from mos_online.model.realtime import realtime_of
from mos_online.model.settled import settle
from mos_online.model.with_themes import with_themes
from mos_online.themes import Router

SPARE = 20_000
"""Rows for items younger than the model; when they are used up, further new items are not recommended."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Every item with a row, at one moment. Nothing in it changes.

    Attributes:
        names: item of each row; row 0 is no item.
        rows: item -> row.
        themes: theme of each row (0 = unrouted).
        order: row of each column of the scores.
        slot: int64 (rows of the model,), column of each row, -1 where it has none.
        parts: per theme, float32 (d + realtime + 1, items of the theme): rows, real-time features and bias as
            columns, so that scoring is one matrix product per theme.
        popular: what popularity says of them.
        columns: int64 (items,), ``order`` as a tensor.
    """

    names: list[str]
    rows: dict[str, int]
    themes: list[int]
    order: list[int]
    slot: Tensor
    parts: list[Tensor]
    popular: PopularNow
    columns: Tensor


class CandidateItems:
    """Makes `Candidates` of a model's catalogue and the popularity.

    Items that were not known in training get a row of their category and of what the catalogue says of them, and the
    theme of the category: those of the catalogue at once, others when they appear in the popularity.
    ``at`` may be called beside readers of earlier candidates, by one thread at a time: it writes rows of the model
    that those do not read.

    Attributes:
        model: the model, with the themes of these items.
    """

    def __init__(self, checkpoint: ModelCheckpoint) -> None:
        """Use the items of ``checkpoint``, which must have rows to spare for its catalogue and ``SPARE`` more."""
        self.model = checkpoint.model.eval()
        self._router = checkpoint.router
        self._trained_themes = self.model.item_theme[: len(checkpoint.items) + 1].clone()
        self._names = ["", *checkpoint.items]
        self._rows = {item: row for row, item in enumerate(self._names) if row}
        self._category_row = {name: row for row, name in enumerate(checkpoint.categories, 1)}
        self._catalogued = checkpoint.catalogued
        self._half_life_ms = checkpoint.half_life_ms
        self._unclicked = set(self._catalogued.items)
        settle(self.model)
        self._list_catalogue()

    def revised(self, router: Router) -> CandidateItems:
        """The same items under a revision of the router; these stay as they are, but ``at`` must not be called again.

        Items get the themes of their rows in the revision. Their rows in the model's routing table stay those that its
        weights were trained on; only items younger than the model get those of the revision.
        """
        twin = copy.copy(self)
        twin._router = router  # noqa: SLF001 - it is one of us
        rows = np.flatnonzero([False, *map(router.has_row, self._names[1:])])
        names = [self._names[row] for row in rows]
        trained = len(self._trained_themes)
        theme = self.model.item_theme.clone()
        theme[:trained] = self._trained_themes
        theme[rows] = torch.from_numpy(router.item_themes(names, [None] * len(names)))
        table, young = None, rows[rows >= trained]
        if self.model.config.table and len(young):
            table = self.model.item_table.clone()
            new = [self._names[row] for row in young]
            table[young] = torch.from_numpy(router.vectors(new, [None] * len(new)))
        twin.model = with_themes(self.model, theme, table)
        settle(twin.model, torch.from_numpy(young))
        return twin

    @property
    def trained(self) -> int:
        """The item rows of the training, row 0 for no item among them; later ones are of new items."""
        return len(self._trained_themes)

    def branched(self, router: Router) -> CandidateItems:
        """The model's items under their own router, beside these: of both ``at`` may be called, by one thread."""
        twin, model, trained = copy.copy(self), self.model, self.trained
        twin._router = router  # noqa: SLF001 - it is one of us
        twin._names = self._names[:trained]  # noqa: SLF001
        twin._rows = {item: row for row, item in enumerate(twin._names) if row}  # noqa: SLF001
        theme, category = torch.zeros_like(model.item_theme), torch.zeros_like(model.item_category)
        theme[:trained], category[:trained] = self._trained_themes, model.item_category[:trained]
        table = None
        if model.config.table:
            table = torch.zeros_like(model.item_table)
            table[:trained] = model.item_table[:trained]
        twin.model = with_themes(model, theme, table, category)
        twin._list_catalogue()  # noqa: SLF001
        return twin

    def at(self, popularity: PopularitySnapshot) -> Candidates:
        """The candidates while ``popularity`` is the newest."""
        self._admit(popularity)
        self._unclicked = self._unclicked.difference(popularity.item_ids)
        return self._laid_out(popularity)

    def _list_catalogue(self) -> None:
        if self._catalogued.items:
            self._give_rows(self._catalogued.items, self._catalogued.categories, self._catalogued.vectors)

    def _admit(self, popularity: PopularitySnapshot) -> None:
        free = len(self.model.item_theme) - len(self._names)
        listed = zip(popularity.item_ids, popularity.categories, strict=True)
        new = {item: category for item, category in listed if item not in self._rows}
        added = list(new)[:free]
        if added:
            self._give_rows(added, [new[item] or None for item in added])

    def _give_rows(self, items: list[str], categories: list[str | None], vectors: Tensor | None = None) -> None:
        model, begin, end = self.model, len(self._names), len(self._names) + len(items)
        model.item_category[begin:end] = torch.tensor(
            [self._category_row.get(name or "", 0) for name in categories], dtype=torch.int64
        )
        model.item_theme[begin:end] = torch.from_numpy(self._router.item_themes(items, categories))
        if model.config.table:
            model.item_table[begin:end] = torch.from_numpy(self._router.vectors(items, categories))
        if model.config.content and vectors is not None:
            model.content.vectors[begin:end] = vectors
        settle(model, torch.arange(begin, end))
        self._names = [*self._names, *items]  # new objects: earlier candidates hold the old ones
        self._rows = self._rows | {item: row for row, item in enumerate(items, begin)}

    @torch.inference_mode()
    def _laid_out(self, popularity: PopularitySnapshot) -> Candidates:
        model, count = self.model, len(self._names)
        numbers = torch.arange(count)
        now = realtime_of(popularity, self._rows, half_life_ms=self._half_life_ms)
        unclicked = torch.tensor([self._rows[item] for item in self._unclicked], dtype=torch.int64)
        features = now.with_unclicked(unclicked, self._catalogued.share).features(numbers, model.item_known)
        realtime, bias = model.realtime_rows(features)
        rows = model.item_rows(numbers) * model.scale.exp()
        matrix = torch.cat([rows, realtime, bias.unsqueeze(1)], 1)
        themes = model.item_theme[:count].clone()
        themes[0] = len(model.theme.weight)  # row 0 is no item: last of all, and cut off
        order = torch.argsort(themes, stable=True)[: count - 1]
        sizes = torch.bincount(themes[order], minlength=model.config.themes + 1).tolist()
        slot = torch.full((len(model.item_theme),), -1)
        slot[order] = torch.arange(len(order))
        return Candidates(
            names=self._names,
            rows=self._rows,
            themes=[0, *themes[1:].tolist()],
            order=order.tolist(),
            slot=slot,
            parts=[part.T.contiguous() for part in matrix[order].split(sizes)],
            popular=PopularNow(now, slot),
            columns=order,
        )
