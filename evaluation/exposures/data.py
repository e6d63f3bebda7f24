"""Real exposures: rank what a user had in view by models fitted on clicks before the first list was shown.

Lists are answered in order of time. The history of a list ends before its click; what is popular comes from all clicks
before it, its own not. Nothing is learned from what was shown and left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from evaluation.exposures.lists import SHOWN, Exposure, exposures
from evaluation.protocol.batches import WARM
from evaluation.protocol.candidates import CONTESTANTS, Sizes
from evaluation.protocol.data import Trial, TrialConfig
from evaluation.protocol.run import FitConfig, Ready, fit_ready, prepare
from evaluation.rivals.counting import NEIGHBOURLY, Counting
from evaluation.routing.routings import ROUTINGS
from mos_online.errors import DatasetError, ModelError
from mos_online.items.popularity import ACTIVE_LISTED, ItemPopularity
from mos_online.model import SequenceModel
from mos_online.model.realtime import realtime_table
from mos_online.sessions import SessionConfig
from mos_online.training.log import Catalogue, SequenceLog

Floats = NDArray[np.float64]

LEAST_SHARE = 1e-5
"""Of the clicks: what counting gives to an item that nobody has clicked; real-time features have the same floor."""


class ExposureTrial(Trial):
    """A trial whose fit ends where the first list was shown, with rows for all items that were ever in view.

    Items that were only shown need rows like those that are clicked later: a row would give the click away.

    Attributes:
        shown: the lists; position: int64 (lists,), of each list's first click in ``frame``.
    """

    def __init__(
        self, events: pl.DataFrame, items: pl.DataFrame, *, sessions: SessionConfig, config: TrialConfig, name: str
    ) -> None:
        """As for ``Trial``, but with events that hold impressions; the cuts of ``config`` are shares of the history.

        Raises:
            DatasetError: no lists, or too few clicks before the first one.
            ModelError: no themes can be learned from them.
        """
        self.shown = exposures(events)
        clicks, begin = events.filter(pl.col("event_type") != SHOWN), self.shown[0].time
        history = int((clicks["timestamp"] < begin).sum()) - 0.5
        share, cuts = history / (len(clicks) - 1), config.split
        if share <= 0:
            raise DatasetError("no click comes before the first list that was shown: nothing to learn from")
        inside = replace(cuts, router=cuts.router * share, train=cuts.train * share, validation=share)
        super().__init__(clicks, items, sessions=sessions, config=replace(config, split=inside), name=name)
        if self.split.borders[2] != begin:
            raise DatasetError(f"validation ends at {self.split.borders[2]} ms, not at the first list's {begin} ms")
        row = {event: number for number, event in enumerate(self.frame["event_id"].to_list())}
        self.position = np.array([row[one.click] for one in self.shown], np.int64)
        self._extend()

    def _extend(self) -> None:
        """Append rows, not trained, for items that nobody clicked."""
        own = set(self.catalogue.items)
        more = [item for item in dict.fromkeys(item for one in self.shown for item in one.items) if item not in own]
        self.catalogue = Catalogue.of([*self.catalogue.items, *more], self.categories, self.router)
        self.known = torch.cat([self.known, torch.zeros(len(more))])
        self.table = self.vectors(self.router)
        self.log = SequenceLog(self.frame, self.catalogue, np.zeros(len(self.frame), np.int64), 1)


def fit_contestant(
    trial: ExposureTrial, contestant: str, *, backbone: str, sizes: Sizes, config: FitConfig, seed: int
) -> tuple[SequenceModel, SequenceLog]:
    """Fit on clicks before the first list, with the first of the learning rates, stopped by validation.

    Args:
        trial: the log.
        contestant: of ``CONTESTANTS``, with a routing of ``ROUTINGS``.
        backbone: of the experts.
        sizes: of the model.
        config: the budget.
        seed: of weights, order and random routings.

    Raises:
        ModelError: no such contestant or backbone.
    """
    one = CONTESTANTS.get(contestant)
    if one is None or one.routing not in ROUTINGS:
        allowed = ", ".join(name for name, this in CONTESTANTS.items() if this.routing in ROUTINGS)
        raise ModelError(f"contestant {contestant!r} cannot rank lists; choose one of {allowed}")
    torch.manual_seed(seed)
    routing = ROUTINGS[one.routing](trial, seed)
    model = one.make(sizes.config(trial, backbone, routing))
    prepare(model, trial, routing)
    log = SequenceLog(trial.frame, trial.catalogue, routing.event_theme, routing.themes)
    train, validation = (Ready(parts, log, model.config) for parts in (trial.train, trial.validation))
    fit_ready(model, train, validation, config=config, rate=config.rates[0], seed=seed)
    model.eval()
    return model, log


@torch.inference_mode()
def score_lists(
    trial: ExposureTrial, fitted: Sequence[tuple[SequenceModel, SequenceLog]], counting: Sequence[Counting]
) -> list[list[Floats]]:
    """Walk through the log once and score every list at its moment.

    Args:
        trial: the log.
        fitted: from ``fit_contestant``.
        counting: fresh ones.

    Returns:
        Of each model, fitted ones first, float64 (items in view,) for each list: the log of each item's chance among
        those in view.
    """
    rows = {item: row for row, item in enumerate(trial.catalogue.items, 1)}
    wanted = {int(at): number for number, at in enumerate(trial.position)}
    popularity = ItemPopularity(half_life_ms=trial.half_life, partition=0)
    made = [[np.empty(0)] * len(trial.shown) for _ in range(len(fitted) + len(counting))]
    for position, click in trial.walk(WARM):
        if position in wanted:
            number = wanted[position]
            one = trial.shown[number]
            _, features = realtime_table(popularity.snapshot(top=ACTIVE_LISTED), rows, trial.known)
            asked, at = torch.tensor([[rows[item] for item in one.items]]), np.array([position])
            for scores, (model, log) in zip(made, fitted, strict=False):
                sizes = model.config
                batch = log.batch(at, recent=sizes.recent, ring=sizes.theme_ring)
                scores[number] = _chances(model.score_pairs(batch, asked, features)[0].double().numpy())
            for scores, counts in zip(made[len(fitted) :], counting, strict=True):
                scores[number] = _chances(_counted(counts, one))
        popularity.observe(click)
        for counts in counting:
            counts.observe(click)
    return made


def _counted(model: Counting, one: Exposure) -> Floats:
    """Log of each item's recent share, mixed with the neighbours' where there are any."""
    chances = np.array([max(model.popularity.share(item), LEAST_SHARE) for item in one.items])
    weights = model.weights(one.user)
    if total := sum(weights.values()):
        near = np.array([weights.get(item, 0.0) for item in one.items]) / total
        chances = NEIGHBOURLY * near + (1 - NEIGHBOURLY) * chances
    return np.asarray(np.log(chances), np.float64)


def _chances(scores: Floats) -> Floats:
    return np.asarray(scores - np.logaddexp.reduce(scores), np.float64)
