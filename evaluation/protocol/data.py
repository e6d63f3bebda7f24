"""A dataset made ready: everything that all contestants share, and nothing that any of them learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.protocol.batches import Moments, Part
from evaluation.protocol.split import Split, SplitConfig, split
from mos_online.baselines import choose_half_life
from mos_online.contracts import Click
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig
from mos_online.training.log import Catalogue, SequenceLog, themes_of_events, with_sessions
from mos_online.training.train import to_clicks

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """The protocol.

    Attributes:
        split: where the log is cut.
        themes: K.
        negatives: m, per positive.
        moment: positions that share one view of what is popular.
        trailing: ms of clicks before a moment from which negatives are drawn; None: all.
        seed: of the choice of users and of the negatives; the same for all models and all their seeds.
    """

    split: SplitConfig = field(default_factory=SplitConfig)
    themes: int = 8
    negatives: int = 4
    moment: int = 256
    trailing: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Themes of all events and items, by one way of routing.

    Attributes:
        event_theme: int64 (n,); item_theme: int64 (items + 1,); themes: K.
        table: float32 (items + 1, d_r), the routing vectors that models get as features of the items.
    """

    event_theme: Ints
    item_theme: Ints
    themes: int
    table: Tensor


class Trial:
    """One dataset under one protocol.

    Attributes:
        frame: the log, by user and time; the row number is the position.
        catalogue, router, categories: items; themes learned before the first cut; item -> category.
        split: which positions are for what.
        known: float32 (items + 1,), 1 for items seen before validation.
        table: float32 (items + 1, d_r), routing vectors, of items without one their category's.
        half_life: of item popularity (ms), chosen on events before validation.
    """

    def __init__(
        self, events: pl.DataFrame, items: pl.DataFrame, *, sessions: SessionConfig, config: TrialConfig, name: str
    ) -> None:
        """Cut, split, route and draw.

        Args:
            events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
            items: columns item_id, title, category.
            sessions: how sessions are cut.
            config: the protocol.
            name: of the dataset.

        Raises:
            DatasetError: the log is too short.
            ModelError: no themes can be learned from it.
        """
        self.name, self.config, self.sessions = name, config, sessions
        self.items = items
        self.frame = with_sessions(events, sessions)
        known = items.filter(pl.col("category").is_not_null())
        self.categories = dict(zip(known["item_id"].to_list(), known["category"].to_list(), strict=True))
        times = self.frame["timestamp"].to_numpy().astype(np.int64)
        users = self.frame["user_id"].rle_id().to_numpy().astype(np.int64)
        start = np.searchsorted(users, users)
        self.before: Ints = np.arange(len(users)) - start
        self.split: Split = split(times, self.before, users, config.split, seed=config.seed)
        ordered = self.frame.with_row_index("at").sort("timestamp", "event_id")
        self._order: Ints = ordered["at"].to_numpy().astype(np.int64)
        self._clicks: list[Click] = to_clicks(ordered, self.categories)
        self._past = {cut: ordered.filter(pl.col("timestamp") < cut) for cut in self.split.borders[:2]}
        self.router = Router.fit(self.past(0), items, RouterConfig(themes=config.themes, seed=config.seed))
        self.catalogue = Catalogue.of(
            ordered["item_id"].unique(maintain_order=True).to_list(), self.categories, self.router
        )
        self.log = SequenceLog(self.frame, self.catalogue, np.zeros(len(users), np.int64), 1)
        self.half_life = choose_half_life(self.past(1))
        seen = set(self.past(1)["item_id"])
        self.known = torch.tensor([0.0, *(float(item in seen) for item in self.catalogue.items)])
        self.table = self.vectors(self.router)

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the router's cut (0) or before validation (1), ascending in time."""
        return self._past[self.split.borders[cut]]

    @cached_property
    def routing(self) -> Routing:
        """By the router."""
        return Routing(
            event_theme=themes_of_events(self.frame, self.router, self.categories),
            item_theme=self.catalogue.item_theme,
            themes=self.router.n_themes,
            table=self.table,
        )

    def vectors(self, router: Router) -> Tensor:
        """A router's vectors of all items, float32 (items + 1, d_r)."""
        rows = router.vectors(self.catalogue.items, [self.categories.get(item) for item in self.catalogue.items])
        return torch.from_numpy(np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows]))

    @cached_property
    def train(self) -> list[Part]:
        """Moments to learn from."""
        return self._moments.parts(self.split.train, self.known, fixed=False)

    @cached_property
    def validation(self) -> list[Part]:
        """Moments to stop and to choose by."""
        return self._moments.parts(self.split.validation, self.known, fixed=True)

    @cached_property
    def test(self) -> list[Part]:
        """Moments that count."""
        return self._moments.parts(self.split.test, self.known, fixed=True)

    @cached_property
    def _moments(self) -> Moments:
        return Moments(
            order=self._order,
            clicks=self._clicks,
            items=self.log.items[self._order],
            times=self.log.times[self._order],
            catalogue=self.catalogue.items,
            item_theme=self.catalogue.item_theme,
            half_life=self.half_life,
            negatives=self.config.negatives,
            size=self.config.moment,
            trailing=self.config.trailing,
            seed=self.config.seed,
        )

    def walk(self, warm: int) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``warm`` clicks before the first test position on."""
        first = int(np.flatnonzero(np.isin(self._order, self.split.test))[0])
        begin = max(0, first - warm)
        yield from zip(self._order[begin:].tolist(), self._clicks[begin:], strict=True)
