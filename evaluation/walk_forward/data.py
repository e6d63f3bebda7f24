"""A log on which everything is young: models are updated on a schedule and scored on the hours that follow.

On news a static split measures nothing, since hardly a click of the test is on an item of the training range. Here time
goes on in steps. Before each step the models learn, each by its schedule, and then they are scored on the clicks of the
step. Prequential: nothing that is scored was seen before (Gama, Sebastiao & Rodrigues 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.protocol.batches import Moments, Part
from evaluation.protocol.split import whole_users
from mos_online.baselines import choose_half_life
from mos_online.contracts import Click
from mos_online.errors import DatasetError
from mos_online.sessions import SessionConfig
from mos_online.themes import Router, RouterConfig
from mos_online.themes.new_items import NewItems
from mos_online.training.log import Catalogue, SequenceLog, themes_of_events, with_sessions
from mos_online.training.train import to_clicks

Ints = NDArray[np.int64]

HOUR = 3_600_000
HELD_OUT = 0.1
"""Share of the examples of a fit, the newest, by which it is stopped."""


@dataclass(frozen=True, kw_only=True)
class RollingConfig:
    """The protocol.

    Attributes:
        start: share of the log's events before the first step.
        hours, steps: length of a step, and how many.
        anew: steps after which the models that are retrained are fitted from scratch.
        judged: positions per step, at most; history: events that a user needs before one.
        examples, newest: positions of a fit and of an update, at most; the newest before it.
        themes, negatives, moment: as in ``TrialConfig``; negatives come from the ``hours`` before.
        fresh: judged positions that share one view of what is popular: few, since a served model's is fresh too.
        seed: of users, negatives and routers.
    """

    start: float = 0.5
    hours: float = 6.0
    steps: int = 12
    anew: int = 4
    judged: int = 600
    history: int = 3
    examples: int = 10_000
    newest: int = 3_000
    themes: int = 8
    negatives: int = 4
    moment: int = 256
    fresh: int = 8
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What is known of items and sessions when a model is scored or fitted.

    Attributes:
        item_theme: int64 (items + 1,).
        known: float32 (items + 1,), 1 for items that the model could learn from.
        table: float32 (items + 1, d_r), routing vectors.
        log: the events, with sessions in the rings of their themes.
    """

    item_theme: Ints
    known: Tensor
    table: Tensor
    log: SequenceLog


class Rolling:
    """A log ready for the rolling comparison.

    Attributes:
        frame: events by user and time, up to the end of the last step; the row number is the position.
        borders: steps + 1 times (ms).
        routers: step of a fit -> router learned from the events before the fit's examples.
        catalogue, categories, half_life, log: as of ``Trial``.
    """

    def __init__(
        self, events: pl.DataFrame, items: pl.DataFrame, *, sessions: SessionConfig, config: RollingConfig, name: str
    ) -> None:
        """Cut and route.

        Args:
            events: columns user_id, item_id, event_id (str), timestamp (ms), event_type (str), ascending in time.
            items: columns item_id, title, category.
            sessions: how sessions are cut.
            config: the protocol.
            name: of the dataset.

        Raises:
            DatasetError: the log ends before the last step does, or has too few examples before the first.
            ModelError: no themes can be learned from it.
        """
        self.name, self.config, self.sessions, self.items = name, config, sessions, items
        begin = int(np.quantile(events["timestamp"].to_numpy(), config.start, method="higher"))
        self.borders = [begin + int(step * config.hours * HOUR) for step in range(config.steps + 1)]
        if events["timestamp"][-1] < self.borders[-2]:
            raise DatasetError(
                f"the log ends before the last of {config.steps} steps of {config.hours:g} hours begins; start earlier "
                f"than at {config.start:.0%} of the events, or take fewer or shorter steps"
            )
        self.frame = with_sessions(events.filter(pl.col("timestamp") < self.borders[-1]), sessions)
        known = items.filter(pl.col("category").is_not_null())
        self.categories = dict(zip(known["item_id"].to_list(), known["category"].to_list(), strict=True))
        self._times = self.frame["timestamp"].to_numpy().astype(np.int64)
        users = self.frame["user_id"].rle_id().to_numpy().astype(np.int64)
        self._before = np.arange(len(users)) - np.searchsorted(users, users)
        self._users = users
        ordered = self.frame.with_row_index("at").sort("timestamp", "event_id")
        self._ordered = ordered
        self._order: Ints = ordered["at"].to_numpy().astype(np.int64)
        self._clicks: list[Click] = to_clicks(ordered, self.categories)
        enough = self._order[self._before[self._order] >= config.history]
        self._eligible, self._when = enough, self._times[enough]
        self.routers = {step: self._fit_router(step) for step in range(0, config.steps, config.anew)}
        names = ordered["item_id"].unique(maintain_order=True).to_list()
        self.catalogue = Catalogue.of(names, self.categories, self.routers[0])
        self._names = [self.categories.get(item) for item in names]
        self.half_life = choose_half_life(self.past(1))
        self.log = SequenceLog(self.frame, self.catalogue, np.zeros(len(users), np.int64), 1)
        self._first_seen = self._firsts()
        self._training: dict[int, tuple[list[Part], list[Part]]] = {}
        self._news: dict[int, list[Part]] = {}

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the first router's cut (0) or before the first step (1), ascending in time."""
        until = self.borders[0] if cut else int(self._times[self.examples(0)[0]])
        return self._ordered.filter(pl.col("timestamp") < until)

    def examples(self, step: int, *, since: int | None = None, most: int | None = None) -> Ints:
        """The newest positions before a step begins, in order of time; of those from the time ``since`` (ms) on.

        Raises:
            DatasetError: there are fewer than 100.
        """
        end = int(np.searchsorted(self._when, self.borders[step]))
        begin = 0 if since is None else int(np.searchsorted(self._when, since))
        chosen = self._eligible[begin:end][-(most or self.config.examples) :]
        if since is None and len(chosen) < 100:
            raise DatasetError(f"only {len(chosen)} examples before step {step}; start later or ask less history")
        return chosen

    def training(self, step: int) -> tuple[list[Part], list[Part]]:
        """Moments of a fit before the step, and those of its newest tenth, to stop by; kept for the next who asks."""
        if step not in self._training:
            chosen, known = self.examples(step), self.known(step)
            border = int(len(chosen) * (1 - HELD_OUT))
            parts = self._moments.parts(chosen[:border], known, fixed=False)
            self._training[step] = parts, self._moments.parts(chosen[border:], known, fixed=True)
        return self._training[step]

    def news(self, step: int) -> list[Part]:
        """Moments of the step before, to update by; kept likewise."""
        if step not in self._news:
            chosen = self.examples(step, since=self.borders[step - 1], most=self.config.newest)
            self._news[step] = self._moments.parts(chosen, self.known(step), fixed=False) if len(chosen) else []
        return self._news[step]

    @cached_property
    def judged(self) -> list[list[Part]]:
        """Moments of every step, of whole users drawn anew for each."""
        nobody = torch.zeros(len(self.catalogue.items) + 1)
        moments, parts = replace(self._moments, size=self.config.fresh), []
        for step in range(self.config.steps):
            low, high = np.searchsorted(self._when, self.borders[step : step + 2])
            rank = np.random.default_rng([self.config.seed, step]).permutation(int(self._users.max()) + 1)
            chosen = whole_users(self._eligible[low:high], self._users, rank, self.config.judged)
            parts.append(moments.parts(chosen, nobody, fixed=True) if len(chosen) else [])
        if not any(parts):
            raise DatasetError("nobody with enough history clicks during the steps")
        return parts

    @property
    def test(self) -> list[Part]:
        """Moments of all steps."""
        return [part for parts in self.judged for part in parts]

    def walk(self, warm: int) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``warm`` clicks before the first step on."""
        first = int(np.searchsorted(self._times[self._order], self.borders[0]))
        begin = max(0, first - warm)
        yield from zip(self._order[begin:].tolist(), self._clicks[begin:], strict=True)

    def known(self, step: int) -> Tensor:
        """Items clicked before the step, float32 (items + 1,)."""
        return torch.from_numpy((self._first_seen < self.borders[step]).astype(np.float32))

    def knowledge(self, router: Router, step: int, event_theme: Ints | None = None) -> Knowledge:
        """By a router as it is.

        Args:
            router: for items and, without ``event_theme``, for all sessions.
            step: before which the items are known.
            event_theme: int64 (n,), theme of each event's session.
        """
        names = self.catalogue.items
        rows = router.vectors(names, self._names)
        if event_theme is None:
            event_theme = themes_of_events(self.frame, router, self.categories)
        return Knowledge(
            item_theme=np.concatenate([[0], router.item_themes(names, self._names)]).astype(np.int64),
            known=self.known(step),
            table=torch.from_numpy(np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows])),
            log=self.log_by(event_theme),
        )

    def log_by(self, event_theme: Ints) -> SequenceLog:
        """The events, with each session in the ring of its theme; ``event_theme``: int64 (n,)."""
        return SequenceLog(self.frame, self.catalogue, event_theme, self.config.themes)

    def updated(self) -> Iterator[Knowledge]:
        """What the models that are updated know at each step.

        The first router's rows and prototypes stay; new items get rows by the company that they kept up to the step. A
        session is routed once, by what is known when it closes.
        """
        first = self.routers[0]
        company = NewItems(first)
        closed = self.closed()
        themes = themes_of_events(self.frame, first, self.categories)
        done = int(np.searchsorted(closed["ended_at"].to_numpy(), int(self._times[self.examples(0)[0]])))
        yield self.knowledge(first, 0, themes)
        for step in range(1, self.config.steps):
            until = int(np.searchsorted(closed["ended_at"].to_numpy(), self.borders[step]))
            for names in closed["item_id"][done:until].to_list():
                company.learn(names, [self.categories.get(name) for name in names])
            done = until
            names, rows = company.rows()
            router = first.with_rows(names, rows) if names else first
            following = closed["ended_at"].to_numpy() >= self.borders[step]
            later = closed.filter(pl.Series(following))["session"]
            at = np.flatnonzero(self.frame["session"].is_in(later.implode()).to_numpy())
            themes = themes.copy()
            themes[at] = themes_of_events(self.frame[at], router, self.categories)
            yield self.knowledge(router, step, themes)

    def closed(self) -> pl.DataFrame:
        """Sessions by their last click: session, ended_at (ms), item_id (list)."""
        return (
            self.frame.group_by("session", maintain_order=True)
            .agg(pl.col("timestamp").last().alias("ended_at"), pl.col("item_id"))
            .sort("ended_at", maintain_order=True)
        )

    def facts(self) -> dict[str, NDArray[np.generic]]:
        """Of every judged position: user-hours, the unit of the bootstrap, as ``user``; step; whether it is a new item.

        New: first clicked after the first step began.
        """
        positions = np.concatenate([part.positions for part in self.test])
        hours = (self._times[positions] - self.borders[0]) // HOUR
        pairs = self._users[positions] * (int(hours.max()) + 1) + hours
        step = np.searchsorted(self.borders, self._times[positions], side="right") - 1
        return {
            "user": np.unique(pairs, return_inverse=True)[1].astype(np.int64),
            "step": step.astype(np.int64),
            "new": self._first_seen[self.log.items[positions]] >= self.borders[0],
            "time": self._times[positions],
        }

    def new_items(self) -> list[tuple[str, int]]:
        """Items first clicked during the steps, and when (ms)."""
        rows = np.flatnonzero(self._first_seen[1:] >= self.borders[0]) + 1
        return [(self.catalogue.items[row - 1], int(self._first_seen[row])) for row in rows.tolist()]

    def _fit_router(self, step: int) -> Router:
        until = int(self._times[self.examples(step)[0]])
        past = self._ordered.filter(pl.col("timestamp") < until)
        return Router.fit(past, self.items, RouterConfig(themes=self.config.themes, seed=self.config.seed))

    def _firsts(self) -> Ints:
        first = np.full(len(self.catalogue.items) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, self.log.items, self._times)
        first[0] = np.iinfo(np.int64).max
        return first

    @cached_property
    def _moments(self) -> Moments:
        return Moments(
            order=self._order,
            clicks=self._clicks,
            items=self.log.items[self._order],
            times=self._times[self._order],
            catalogue=self.catalogue.items,
            item_theme=self.catalogue.item_theme,
            half_life=self.half_life,
            negatives=self.config.negatives,
            size=self.config.moment,
            trailing=int(self.config.hours * HOUR),
            seed=self.config.seed,
        )


def knowing(parts: list[Part], known: Tensor) -> list[Part]:
    """The same moments for a model that knows these items: only the real-time feature that says so differs."""
    return [replace(part, features=torch.cat([part.features[:, :3], known.unsqueeze(1)], 1)) for part in parts]
