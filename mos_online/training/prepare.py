"""From a log to what a model is trained and measured on: split by time, routed, as histories and targets."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
import torch
from torch import Tensor

from mos_online.arrays import Ints
from mos_online.baselines import choose_half_life
from mos_online.errors import DatasetError
from mos_online.items.item_vectors import ItemVectors, item_vectors
from mos_online.model import MoS, MoSConfig
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, TableConfig, fit_router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.config import TrainConfig
from mos_online.training.counting import CountingSettings
from mos_online.training.examples import ExampleLog
from mos_online.training.moments import Moment, moments, now_and_later, spread
from mos_online.training.next_sessions import next_sessions
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.routing import Routing, describe_items, route_log
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import rows_of_sessions

Progress = Callable[[str, float, str], None]
"""Called with the stage, the share of it that is done (0..1) and a line of words."""

FEWEST_EVENTS = 200


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A log, split by time: themes from the oldest events, training examples after them, validation the newest.

    Attributes:
        log, catalogue, routing, router: the events, the item rows, and their themes.
        vectors: what the catalogue of the log says of its items, also of those that nobody has clicked.
        half_life_ms: of item popularity, chosen on events before validation.
        counting: settings of those who only count, chosen on the same events; co-clicks have the half-life of item-kNN.
        first, border: numbers, in order of time, of the first event that is predicted and of the first held-out one.
        model_config: sizes of the model.
        learned, held_out: all examples, in order of time.
        validation: some of those that are held out, with the neighbours of that moment.
        ahead: first clicks of held-out sessions whose users' last ones closed in that time, asked for at that moment,
            with its neighbours.
    """

    log: ClickLog
    catalogue: Catalogue
    routing: Routing
    router: Router
    vectors: ItemVectors
    half_life_ms: float
    counting: CountingSettings
    first: int
    border: int
    model_config: MoSConfig
    learned: ExampleLog
    held_out: ExampleLog
    validation: ExampleLog
    ahead: ExampleLog

    @property
    def past(self) -> pl.DataFrame:
        """The events before validation, ascending in time."""
        return self.log.by_time.head(self.border)

    @cached_property
    def everything(self) -> ExampleLog:
        """All examples, to learn from."""
        return replace(self.learned, moments=[*self.learned.moments, *self.held_out.moments])

    @property
    def judged(self) -> Ints:
        """The numbers of the validation positions in order of time, int64 (n,)."""
        numbers: Ints = self.log.rank[np.concatenate([one.positions for one in self.validation.moments])]
        return numbers

    @cached_property
    def log_share(self) -> Tensor:
        """Log of each item's share of the clicks before validation, float32 (items + 1,); half a click for none."""
        rows = self.catalogue.rows_of(self.past["item_id"].to_list())
        counts = np.bincount(rows, minlength=len(self.catalogue.items) + 1) + 0.5
        return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))


def prepare(
    events: pl.DataFrame, items: pl.DataFrame, sessions: SessionConfig, config: TrainConfig, on_progress: Progress
) -> TrainingData:
    """Cut, split, route and lay out a log.

    Args:
        events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
        items: columns item_id, title, category, and what else the catalogue says, see ``item_vectors``.
        sessions: rules by which the log is cut.
        config: sizes and shares.
        on_progress: see ``Progress``.

    Raises:
        DatasetError: the log is too short, or has too few items.
        ModelError: no themes can be learned from it.
    """
    on_progress("sessions", 0.0, "cutting the log")
    log = ClickLog.cut(events.tail(config.longest_log), items, sessions)
    count = len(log.by_time)
    if count < FEWEST_EVENTS:
        raise DatasetError(f"{count} events are too few to train on; at least {FEWEST_EVENTS} are needed")
    routes = RouterConfig(themes=config.themes, fewer=True, table=TableConfig(rarer=True), seed=config.seed)
    _require_items(log.by_time["item_id"].n_unique(), routes.table.fewest_items)
    targets = min(config.most_examples, count // 2)
    first, held_out = count - targets, count - config.held_out(targets)
    on_progress("themes", 0.0, f"from the {first:,} oldest events")
    past = log.by_time.head(held_out)
    half_life = choose_half_life(past)
    counting = CountingSettings.chosen(past, half_life_ms=half_life, gap_ms=sessions.gap)
    router = fit_router(log.by_time.head(first), items, routes)
    on_progress("examples", 0.0, f"{targets:,} positions")
    vectors = item_vectors(items, set(past["item_id"]))
    catalogue = Catalogue.of_log(log, vectors)
    routing = route_log(router, catalogue, log)
    sizes = _sizes(config, catalogue, router, log)
    sequences = SequenceLog(log.events, catalogue, routing.event_theme, routing.themes)

    def walked(chosen: Ints, size: int, asked: Ints | None = None) -> Iterator[Moment]:
        return moments(log, catalogue, chosen, size=size, half_life_ms=half_life, asked=asked)

    def kept(walk: Iterable[Moment]) -> Iterator[Moment]:
        for moment in walk:
            yield moment
            on_progress("examples", moment.clicks_before / count, f"{moment.clicks_before:,} of {count:,} clicks")

    def example_log(made: Iterable[Moment]) -> ExampleLog:
        return ExampleLog(moments=list(made), log=sequences, config=sizes)

    border = int(log.times[log.order[held_out]])
    ahead = next_sessions(log, gap_ms=sessions.gap, begin=border, end=int(log.times.max()) + 1)
    ahead = ahead.spread(config.fresh_ahead, config.ahead)
    judged = heapq.merge(
        walked(spread(log.order[held_out:], config.fresh, config.validated), config.fresh),
        walked(ahead.positions, config.fresh_ahead, ahead.asked),
        key=lambda moment: moment.clicks_before,
    )
    rules = CoClickRules(half_life_ms=counting.knn.half_life_ms, window_ms=sessions.gap)
    now, later = now_and_later(kept(with_neighbours(judged, log, catalogue, rules)))

    return TrainingData(
        log=log,
        catalogue=catalogue,
        routing=routing,
        router=router,
        vectors=vectors,
        half_life_ms=half_life,
        counting=counting,
        first=first,
        border=held_out,
        model_config=sizes,
        learned=example_log(kept(walked(log.order[first:held_out], config.moment))),
        held_out=example_log(kept(walked(log.order[held_out:], config.moment))),
        validation=example_log(now),
        ahead=example_log(later),
    )


def _require_items(clicked: int, needed: int) -> None:
    if clicked < needed:
        raise DatasetError(
            f"training needs at least {needed} items that were clicked; this log has {clicked}, and a longer log of "
            "the same items does not help: there is nothing to choose between themes for"
        )


def untrained_model(data: TrainingData, *, seed: int, alike: bool) -> MoS:
    """A model that knows the items clicked before validation.

    Args:
        data: the log.
        seed: of all its weights.
        alike: whether items that share sessions start out alike. That helps on some logs, and harms on others.
    """
    torch.manual_seed(seed)
    model = MoS(data.model_config)
    describe_items(model, data.catalogue, data.routing, data.catalogue.marked(set(data.past["item_id"])))
    if alike:
        model.start_from(rows_of_sessions(data.past, data.catalogue, width=data.model_config.width, seed=seed))
    return model


def _sizes(config: TrainConfig, catalogue: Catalogue, router: Router, log: ClickLog) -> MoSConfig:
    return MoSConfig(
        backbone=config.backbone,
        items=len(catalogue.items),
        categories=len(catalogue.categories),
        themes=router.n_themes,
        width=config.width,
        recent=config.recent,
        short=config.short,
        theme_ring=config.theme_ring,
        table=router.dimensions,
        content=catalogue.content.shape[1],
        gap_ms=log.gap_ms,
    )
