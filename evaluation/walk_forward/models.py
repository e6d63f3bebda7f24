"""Contestants and schedules over a rolling log: fit, update, score."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.protocol.batches import Part
from evaluation.protocol.candidates import CONTESTANTS, Sizes
from evaluation.protocol.run import Cell, FitConfig, Ready, Scores, fit_ready, parameters
from evaluation.walk_forward.data import Knowledge, Rolling, knowing
from mos_online.model import MoSConfig, SequenceModel
from mos_online.training.log import SequenceLog

SCHEDULES = ("frozen", "updated", "retrained")
"""As of the first step for ever; a pass over each step's clicks when it is over; fitted anew every few steps."""

ROLLED = ("backbone+table", "mos", "mos-random")

GENTLE = 0.3
"""Learning rate of updates, as a share of the fits'."""


def roll(
    rolling: Rolling, seed: int, *, config: FitConfig, sizes: Sizes, on_progress: Callable[[int], None]
) -> dict[str, Cell]:
    """Every contestant on every schedule through all steps.

    Args:
        rolling: the log.
        seed: of the models.
        config: budget of a fit; the first of its rates counts.
        sizes: of the models.
        on_progress: called with each step done.

    Returns:
        "contestant@schedule" -> what it scored on all judged positions, in order of the steps.
    """
    runners = {
        (name, schedule): _Runner(rolling, name, seed, config, sizes) for name in ROLLED for schedule in SCHEDULES
    }
    updated = rolling.updated()
    fitted = rolling.knowledge(rolling.routers[0], 0)
    newest = fitted
    for step in range(rolling.config.steps):
        if step in rolling.routers and step:
            newest = rolling.knowledge(rolling.routers[step], step)
        views = dict(zip(SCHEDULES, (fitted, next(updated), newest), strict=True))
        if step == 0:
            for name in ROLLED:
                runners[name, "frozen"].fit(step, fitted)
                for schedule in ("updated", "retrained"):
                    runners[name, schedule].take(runners[name, "frozen"])
        for (_, schedule), runner in runners.items():
            if schedule == "updated" and step:
                runner.update(step, views[schedule])
            if schedule == "retrained" and step and step in rolling.routers:
                runner.fit(step, views[schedule])
            runner.score(step, views[schedule])
        on_progress(step)
    return {f"{name}@{schedule}": runner.cell() for (name, schedule), runner in runners.items()}


class _Runner:
    """One model on its way through the steps."""

    def __init__(self, rolling: Rolling, name: str, seed: int, config: FitConfig, sizes: Sizes) -> None:
        self._rolling, self._contestant, self._seed, self._config = rolling, CONTESTANTS[name], seed, config
        first = rolling.routers[0]
        self._sizes = MoSConfig(
            backbone="gru4rec",
            items=len(rolling.catalogue.items),
            categories=len(rolling.catalogue.categories),
            themes=first.n_themes,
            table=first.dimensions,
            width=sizes.width,
            recent=sizes.recent,
            short=sizes.short,
            theme_ring=sizes.theme_ring,
        )
        self._model: SequenceModel
        self._scored: list[Scores] = []
        self._seconds, self._scoring, self._passes, self._quality = 0.0, 0.0, 0, 0.0

    def take(self, other: _Runner) -> None:
        """Start from another's model."""
        self._model = copy.deepcopy(other._model)
        self._quality, self._passes = other._quality, other._passes

    def fit(self, step: int, view: Knowledge) -> None:
        """From scratch, on the examples before the step; then one pass over those that it was stopped by."""
        began = time.monotonic()
        torch.manual_seed(self._seed)
        self._model = self._contestant.make(self._sizes)
        view = self._learn(view)
        parts = self._rolling.training(step)
        train, validation = (self._ready(part, view) for part in parts)
        self._quality, self._passes = fit_ready(
            self._model, train, validation, config=self._config, rate=self._config.rates[0], seed=self._seed
        )
        self._pass(validation)
        self._seconds += time.monotonic() - began

    def update(self, step: int, view: Knowledge) -> None:
        """One pass over the clicks since the step before began."""
        began = time.monotonic()
        view = self._learn(view)
        parts = self._rolling.news(step)
        if parts:
            self._pass(self._ready(parts, view))
        self._seconds += time.monotonic() - began

    def score(self, step: int, view: Knowledge) -> None:
        """The judged positions of the step."""
        parts = self._rolling.judged[step]
        if not parts:
            return
        view = self._learn(view)
        ready = self._ready(knowing(parts, view.known), view)
        began = time.monotonic()
        self._scored.append(ready.score(self._model))
        self._scoring += time.monotonic() - began

    def cell(self) -> Cell:
        """All of it."""
        return Cell(
            scores=Scores(
                logits=np.concatenate([one.logits for one in self._scored]),
                themed=np.concatenate([one.themed for one in self._scored]),
                ranks=np.concatenate([one.ranks for one in self._scored]),
            ),
            validation=self._quality,
            rate=self._config.rates[0],
            passes=self._passes,
            seconds=self._seconds,
            seconds_scoring=self._scoring,
            parameters=parameters(self._model),
        )

    def _learn(self, view: Knowledge) -> Knowledge:
        """Tell the model what is known; random routing has themes of its own."""
        if self._contestant.routing == "random":
            view = replace(view, item_theme=self._random[0], log=self._random[1])
        category = torch.from_numpy(self._rolling.catalogue.item_category)
        self._model.set_catalogue(category, torch.from_numpy(view.item_theme), view.known, view.table)
        return view

    def _ready(self, parts: list[Part], view: Knowledge) -> Ready:
        return Ready(parts, view.log, self._model.config)

    @cached_property
    def _random(self) -> tuple[NDArray[np.int64], SequenceLog]:
        """Fixed random themes of items, and the log by those of sessions."""
        rng = np.random.default_rng([self._seed, 17])
        themes, sessions = self._sizes.themes, self._rolling.log.sessions
        session = rng.integers(1, themes + 1, int(sessions.max()) + 1)
        item = rng.integers(1, themes + 1, len(self._rolling.catalogue.items) + 1)
        item[0] = 0
        return item, self._rolling.log_by(session[sessions])

    def _pass(self, ready: Ready) -> None:
        """Over the moments in order of time."""
        generator = torch.Generator().manual_seed(self._seed)
        optimizer = torch.optim.Adam(self._model.parameters(), lr=GENTLE * self._config.rates[0])
        self._model.train()
        for index in range(len(ready.parts)):
            optimizer.zero_grad()
            ready.loss(self._model, index, generator).backward()
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 5.0)
            optimizer.step()
        self._model.eval()
