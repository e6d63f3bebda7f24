"""A log on which everything is young: models are updated on a schedule and scored on the hours that follow.

On news a static split measures nothing, since hardly a click of the test is on an item of the training range. Here time
goes on in steps. Before each step the models learn, each by its schedule, and then they are scored on the clicks of the
step. Prequential: nothing that is scored was seen before (Gama, Sebastiao & Rodrigues 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.protocol.requests import RequestBatch, RequestSampler, beside_neighbours
from evaluation.protocol.split import whole_users
from evaluation.walk_forward.config import HOUR, WalkForwardConfig
from mos_online.arrays import Ints
from mos_online.baselines import KnnChoice, choose_half_life, choose_knn
from mos_online.contracts import Click
from mos_online.errors import DatasetError
from mos_online.items.item_vectors import item_vectors
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig, fit_router
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.past_neighbours import CoClickRules
from mos_online.training.routing import Routing, themes_of_items
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import rows_of_sessions

HELD_OUT = 0.1
"""Share of the examples of a fit, the newest, by which it is stopped."""

FEWEST_EXAMPLES = 100


class WalkForwardData:
    """A log ready for the walk-forward comparison.

    Attributes:
        name, config, sessions: of the dataset, the protocol, and the rules of sessions.
        log: the clicks up to the end of the last step.
        borders: steps + 1 times (ms).
        routers: step of a fit -> router learned from the events before the fit's examples.
        catalogue: the item rows.
        half_life_ms: of item popularity, chosen on events before the first step.
        first_seen: int64 (items + 1,), time of each item's first click (ms).
    """

    def __init__(
        self,
        events: pl.DataFrame,
        items: pl.DataFrame,
        *,
        sessions: SessionConfig,
        config: WalkForwardConfig,
        name: str,
    ) -> None:
        """Cut the log into sessions and steps, and route it.

        Args:
            events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
            items: columns item_id, title, category, and what else the catalogue says, see ``item_vectors``.
            sessions: how sessions are cut.
            config: the protocol.
            name: of the dataset.

        Raises:
            DatasetError: the log ends before the last step does, or has too few examples before the first.
            ModelError: no themes can be learned from it.
        """
        self.name, self.config, self.sessions = name, config, sessions
        self.borders = _borders(events["timestamp"], config)
        self.log = ClickLog.cut(events.filter(pl.col("timestamp") < self.borders[-1]), items, sessions)
        self._eligible: Ints = self.log.order[self.log.history[self.log.order] >= config.history]
        self._when: Ints = self.log.times[self._eligible]
        self.routers = {step: self._fit_router(step) for step in config.refits}
        self.catalogue = Catalogue.of_log(self.log, item_vectors(items, set(self.past(1)["item_id"])))
        self.half_life_ms = choose_half_life(self.past(1))
        self.item_rows: Ints = self.catalogue.rows_of(self.log.events["item_id"].to_list())
        self.first_seen = self._first_clicks()
        self._training: dict[int, tuple[list[RequestBatch], list[RequestBatch]]] = {}
        self._first_rows: dict[tuple[int, int], Tensor] = {}
        self._updates: dict[int, list[RequestBatch]] = {}

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the first router's cut (0) or before the first step (1), ascending in time."""
        return self.log.before(self.borders[0] if cut else self.router_cut(0))

    def router_cut(self, step: int) -> int:
        """The time (ms) of the first example of a fit before the step, up to which its router is learned."""
        return int(self.log.times[self.examples(step)[0]])

    def examples(self, step: int) -> Ints:
        """The newest positions before a step begins, in order of time.

        Raises:
            DatasetError: there are fewer than ``FEWEST_EXAMPLES``.
        """
        chosen = self._before(step)[-self.config.examples :]
        if len(chosen) < FEWEST_EXAMPLES:
            raise DatasetError(f"only {len(chosen)} examples before step {step}; start later or ask less history")
        return chosen

    def training(self, step: int) -> tuple[list[RequestBatch], list[RequestBatch]]:
        """Requests of a fit before the step, and those of its newest tenth, to stop by; kept for the next who asks."""
        if step not in self._training:
            chosen = self.examples(step)
            border = int(len(chosen) * (1 - HELD_OUT))
            train = self._sampler.batches(chosen[:border], fresh=None)
            self._training[step] = train, self._sampler.batches(chosen[border:], fresh=self.config.watched)
        return self._training[step]

    def update(self, step: int) -> list[RequestBatch]:
        """Requests of the step before, to update by; kept for the next who asks."""
        if step not in self._updates:
            since = int(np.searchsorted(self._when, self.borders[step - 1]))
            chosen = self._before(step)[since:][-self.config.newest :]
            self._updates[step] = self._sampler.batches(chosen, fresh=None)
        return self._updates[step]

    @cached_property
    def judged(self) -> list[list[RequestBatch]]:
        """Requests of every step, of whole users drawn anew for each."""
        users, made = self.log.users, []
        for step in range(self.config.steps):
            low, high = np.searchsorted(self._when, self.borders[step : step + 2])
            rank = np.random.default_rng([self.config.seed, step]).permutation(int(users.max()) + 1)
            chosen = whole_users(self._eligible[low:high], users, rank, self.config.judged)
            made.append(self._sampler.batches(chosen, fresh=self.config.fresh))
        if not any(made):
            raise DatasetError("nobody with enough history clicks during the steps")
        return made

    @cached_property
    def knn(self) -> KnnChoice:
        """The settings of item-kNN that are best before the first step."""
        return choose_knn(self.past(1), gap_ms=self.sessions.gap, popularity_half_life_ms=self.half_life_ms)

    @cached_property
    def judged_beside_neighbours(self) -> list[list[RequestBatch]]:
        """The same requests, with the neighbours of what their users clicked last, counted in one walk."""
        walked = iter(self._beside_neighbours(self.test))
        return [list(islice(walked, len(requests))) for requests in self.judged]

    def watched_beside_neighbours(self, step: int) -> list[RequestBatch]:
        """The requests that stop a fit before a step, with fresh popularity and neighbours."""
        chosen = self.examples(step)
        held_out = chosen[int(len(chosen) * (1 - HELD_OUT)) :]
        return self._beside_neighbours(self._sampler.batches(held_out, fresh=self.config.fresh))

    def _beside_neighbours(self, requests: list[RequestBatch]) -> list[RequestBatch]:
        rules = CoClickRules(half_life_ms=self.knn.half_life_ms, window_ms=self.sessions.gap)
        return beside_neighbours(requests, self.log, self.catalogue, rules)

    @property
    def test(self) -> list[RequestBatch]:
        """The requests of all steps."""
        return [one for requests in self.judged for one in requests]

    def first_rows(self, step: int, width: int) -> Tensor:
        """First rows for items that share sessions before the examples that stop a fit, float32 (items + 1, width)."""
        if (step, width) not in self._first_rows:
            until = self.log.times[self.training(step)[1][0].positions[0]]
            past = self.log.before(int(until)).tail(RouterConfig.newest)
            rows = rows_of_sessions(past, self.catalogue, width=width, seed=self.config.seed)
            self._first_rows[step, width] = rows
        return self._first_rows[step, width]

    def replay(self) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``WARM_UP_CLICKS`` before the first step on."""
        order = self.log.order
        first = int(np.searchsorted(self.log.times[order], self.borders[0]))
        begin = max(0, first - WARM_UP_CLICKS)
        yield from zip(order[begin:].tolist(), self.log.clicks[begin:], strict=True)

    def sequences(self, routing: Routing) -> SequenceLog:
        """The histories, with each session in the ring of its theme."""
        return SequenceLog(self.log.events, self.catalogue, routing.event_theme, routing.themes)

    def known(self, step: int) -> Tensor:
        """Items clicked before the step, float32 (items + 1,): 1 for those, else 0."""
        return self.known_before(self.borders[step])

    def known_before(self, time: int) -> Tensor:
        """The same of a time (ms)."""
        return torch.from_numpy((self.first_seen < time).astype(np.float32))

    def new_items(self) -> list[tuple[str, int]]:
        """Items first clicked during the steps, and when (ms)."""
        rows = np.flatnonzero(self.first_seen[1:] >= self.borders[0]) + 1
        return [(self.catalogue.items[row - 1], int(self.first_seen[row])) for row in rows.tolist()]

    def closed(self) -> pl.DataFrame:
        """Sessions by their last click: session, ended_at (ms), item_id (list)."""
        return (
            self.log.events.group_by("session_id", maintain_order=True)
            .agg(pl.col("timestamp").last().alias("ended_at"), pl.col("item_id"))
            .sort("ended_at", maintain_order=True)
        )

    def facts(self) -> dict[str, NDArray[np.generic]]:
        """The facts of every judged position: user-hour (the unit of the bootstrap), step, and whether the item is new.

        New: first clicked after the first step began.
        """
        positions = np.concatenate([one.positions for one in self.test])
        times = self.log.times[positions]
        hours = (times - self.borders[0]) // HOUR
        pairs = self.log.users[positions] * (int(hours.max()) + 1) + hours
        step = np.searchsorted(self.borders, times, side="right") - 1
        return {
            "user": np.unique(pairs, return_inverse=True)[1].astype(np.int64),
            "step": step.astype(np.int64),
            "new": self.first_seen[self.item_rows[positions]] >= self.borders[0],
            "time": times,
        }

    def _before(self, step: int) -> Ints:
        """Positions with enough history before the step, in order of time."""
        return self._eligible[: int(np.searchsorted(self._when, self.borders[step]))]

    def _fit_router(self, step: int) -> Router:
        config = RouterConfig(themes=self.config.themes, seed=self.config.seed)
        return fit_router(self.log.before(self.router_cut(step)), self.log.items, config)

    def _first_clicks(self) -> Ints:
        never = np.iinfo(np.int64).max
        first = np.full(len(self.catalogue.items) + 1, never)
        np.minimum.at(first, self.item_rows, self.log.times)
        first[0] = never
        return first

    @cached_property
    def _sampler(self) -> RequestSampler:
        return RequestSampler(
            log=self.log,
            item_rows=self.item_rows,
            catalogue=self.catalogue,
            item_theme=themes_of_items(self.routers[0], self.catalogue, self.log),
            half_life_ms=self.half_life_ms,
            negatives=self.config.negatives,
            size=self.config.moment,
            trailing_ms=self.config.step_ms,
            seed=self.config.seed,
        )


def _borders(times: pl.Series, config: WalkForwardConfig) -> list[int]:
    """The times (ms) at which steps begin, and the end of the last one.

    Raises:
        DatasetError: the log ends before the last step begins.
    """
    begin = int(np.quantile(times.to_numpy(), config.start, method="higher"))
    borders = [begin + int(step * config.hours * HOUR) for step in range(config.steps + 1)]
    if times[-1] < borders[-2]:
        raise DatasetError(
            f"the log ends before the last of {config.steps} steps of {config.hours:g} hours begins; start earlier "
            f"than at {config.start:.0%} of the events, or take fewer or shorter steps"
        )
    return borders
