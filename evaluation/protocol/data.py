"""A dataset made ready: everything that all models share, and nothing that any of them learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from torch import Tensor

from evaluation.protocol.requests import RequestBatch, RequestSampler, beside_neighbours
from evaluation.protocol.split import Split, SplitConfig, split
from mos_online.arrays import Ints
from mos_online.baselines import KnnChoice, choose_half_life, choose_knn
from mos_online.contracts import Click
from mos_online.items.item_vectors import item_vectors
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.sessions import SessionConfig
from mos_online.themes import RouterConfig, fit_router
from mos_online.training import TrainConfig
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.past_neighbours import CoClickRules
from mos_online.training.routing import Routing, route_log
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import rows_of_sessions


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """How a dataset is split and judged.

    Attributes:
        split: where the log is cut.
        themes: K.
        negatives: m, per positive.
        moment: training positions that share one view of what is popular; watched: those of validation, as in
            `mos train`; fresh: those of the test, since a served model's view is fresh, and the models that count know
            every click.
        trailing: ms of clicks before a moment from which negatives are drawn; None: all.
        seed: of the choice of users and of the negatives; the same for all models and all their seeds.
    """

    split: SplitConfig = field(default_factory=SplitConfig)
    themes: int = 8
    negatives: int = 4
    moment: int = 128
    watched: int = TrainConfig.fresh
    fresh: int = 1
    trailing: int | None = None
    seed: int = 0


class ExperimentData:
    """One dataset under one protocol.

    Attributes:
        name, config, sessions: of the dataset, the protocol, and the rules of sessions.
        log: the clicks.
        split: which positions are for what.
        router: themes learned before the first cut.
        vectors: what the catalogue says of items, learned from those seen before validation.
        catalogue: the item rows.
        known: float32 (items + 1,), 1 for items seen before validation.
        half_life_ms: of item popularity, chosen on events before validation.
    """

    def __init__(
        self, events: pl.DataFrame, items: pl.DataFrame, *, sessions: SessionConfig, config: ExperimentConfig, name: str
    ) -> None:
        """Cut the log into sessions, split it into requests and route it.

        Args:
            events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
            items: columns item_id, title, category, and what else the catalogue says, see ``item_vectors``.
            sessions: how sessions are cut.
            config: the protocol.
            name: of the dataset.

        Raises:
            DatasetError: the log is too short.
            ModelError: no themes can be learned from it.
        """
        self.name, self.config, self.sessions = name, config, sessions
        self.log = ClickLog.cut(events, items, sessions)
        log = self.log
        # Equal times in the order of the log, as its clicks are counted: else features know later clicks of that time.
        self.split: Split = split(log.times, log.history, log.users, config.split, seed=config.seed, order=log.order)
        self.router = fit_router(self.past(0), items, RouterConfig(themes=config.themes, seed=config.seed))
        self.vectors = item_vectors(items, set(self.past(1)["item_id"]))
        self.catalogue = Catalogue.of_log(self.log, self.vectors)
        self.half_life_ms = choose_half_life(self.past(1))
        self._first_rows: dict[int, Tensor] = {}
        self.known: Tensor = self.catalogue.marked(set(self.past(1)["item_id"]))

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the router's cut (0), before validation (1) or before the test (2), ascending in time."""
        return self.log.before(self.split.borders[cut])

    @cached_property
    def routing(self) -> Routing:
        """The themes of sessions and items by the router."""
        return route_log(self.router, self.catalogue, self.log)

    @cached_property
    def item_rows(self) -> Ints:
        """The item row of each position, int64 (n,)."""
        return self.catalogue.rows_of(self.log.events["item_id"].to_list())

    @cached_property
    def train(self) -> list[RequestBatch]:
        """The requests that a model learns from."""
        return self._sampler.batches(self.split.train, fresh=None)

    @cached_property
    def validation(self) -> list[RequestBatch]:
        """The requests that decide when fitting stops and which model is chosen."""
        return self._sampler.batches(self.split.validation, fresh=self.config.watched)

    @cached_property
    def newest(self) -> list[RequestBatch]:
        """All requests between training and test, those of validation among them."""
        log, (_, begin, end) = self.log, self.split.borders
        times = log.times[log.order]
        chosen = log.order[(times >= begin) & (times < end) & (log.history[log.order] >= 1)]
        return self._sampler.batches(chosen[-self.config.split.examples :], fresh=None)

    @property
    def everything(self) -> list[RequestBatch]:
        """The newest requests before the test, as many as are learned at most."""
        most = -(-self.config.split.examples // self.config.moment)
        return [*self.train, *self.newest][-most:]

    @cached_property
    def known_at_test(self) -> Tensor:
        """Items clicked before the test, float32 (items + 1,): 1 for those, else 0."""
        return self.catalogue.marked(set(self.past(2)["item_id"]))

    @cached_property
    def test(self) -> list[RequestBatch]:
        """The requests on which the models are compared."""
        return self._sampler.batches(self.split.test, fresh=self.config.fresh)

    @cached_property
    def knn(self) -> KnnChoice:
        """The settings of item-kNN, whose half-life co-clicks have too, chosen on events before validation."""
        return choose_knn(self.past(1), gap_ms=self.sessions.gap, popularity_half_life_ms=self.half_life_ms)

    @cached_property
    def beside_neighbours(self) -> tuple[list[RequestBatch], list[RequestBatch]]:
        """Validation and test, as the service knows them: popularity is fresh, and there are neighbours.

        They are what the users clicked last goes with, counted in one walk.
        """
        rules = CoClickRules(half_life_ms=self.knn.half_life_ms, window_ms=self.sessions.gap)
        validation = self._sampler.batches(self.split.validation, fresh=self.config.fresh)
        made = beside_neighbours([*validation, *self.test], self.log, self.catalogue, rules)
        return made[: len(validation)], made[len(validation) :]

    def sequences(self, routing: Routing) -> SequenceLog:
        """The histories, with each session in the ring of its theme."""
        return SequenceLog(self.log.events, self.catalogue, routing.event_theme, routing.themes)

    def first_rows(self, width: int) -> Tensor:
        """First rows for items that share sessions before validation, float32 (items + 1, width)."""
        if width not in self._first_rows:
            self._first_rows[width] = rows_of_sessions(self.past(1), self.catalogue, width=width, seed=self.config.seed)
        return self._first_rows[width]

    def replay(self) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``WARM_UP_CLICKS`` before the first test position on."""
        order = self.log.order
        first = int(np.flatnonzero(np.isin(order, self.split.test))[0])
        begin = max(0, first - WARM_UP_CLICKS)
        yield from zip(order[begin:].tolist(), self.log.clicks[begin:], strict=True)

    @cached_property
    def _sampler(self) -> RequestSampler:
        return RequestSampler(
            log=self.log,
            item_rows=self.item_rows,
            catalogue=self.catalogue,
            item_theme=self.routing.item_theme,
            half_life_ms=self.half_life_ms,
            negatives=self.config.negatives,
            size=self.config.moment,
            trailing_ms=self.config.trailing,
            seed=self.config.seed,
        )
