"""Contestants that count instead of fit: popularity and nearest neighbours, learning from every click at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
import polars as pl

from evaluation.protocol.batches import WARM, Part
from evaluation.protocol.run import Cell, Scores
from evaluation.rivals.vmis_knn import VmisKnn
from mos_online.baselines import LastItemKnn, RecentPopularity, choose_knn_half_life
from mos_online.contracts import Click
from mos_online.sessions import SessionConfig
from mos_online.training.log import Catalogue

RANKED = 100
"""A target further down than this counts as not ranked."""

NEIGHBOURLY = 0.9
"""Share of the neighbours' items in the chance of an item; popularity has the rest (Jelinek & Mercer 1980)."""


class Countable(Protocol):
    """What counting needs of a trial: moments to judge, and all clicks up to the last of them."""

    half_life: float
    sessions: SessionConfig
    catalogue: Catalogue

    @property
    def test(self) -> list[Part]:
        """The moments."""

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the router's cut (0) or before validation (1)."""

    def walk(self, warm: int) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``warm`` clicks before the first judged position on."""


class Counting:
    """A counting recommender: ``observe`` clicks, rank and weigh items for a user."""

    def __init__(self, log: Countable) -> None:
        self.popularity = RecentPopularity(half_life_ms=log.half_life)

    def observe(self, click: Click) -> None:
        """Learn a click."""
        self.popularity.observe(click)

    def top(self, user: str) -> list[str]:
        """The best ``RANKED`` items."""
        return self.popularity.top(RANKED)

    def weights(self, user: str) -> Mapping[str, float]:
        """Items of the neighbours -> weight, empty if there are none."""
        return {}


class ItemKnn(Counting):
    """``LastItemKnn``, forgetting as fast as does best before validation."""

    def __init__(self, log: Countable) -> None:
        super().__init__(log)
        gap = log.sessions.gap
        half_life = choose_knn_half_life(log.past(1), gap_ms=gap, popularity_half_life_ms=log.half_life)
        self._knn = LastItemKnn(gap_ms=gap, half_life_ms=half_life, fill=self.popularity)

    def observe(self, click: Click) -> None:
        """Learn a click."""
        super().observe(click)
        self._knn.observe(click)

    def top(self, user: str) -> list[str]:
        """Co-clicked items, then popular ones."""
        return self._knn.top(user, RANKED)

    def weights(self, user: str) -> Mapping[str, float]:
        """Of the last item's neighbours."""
        return self._knn.neighbours(user)


class SessionKnn(Counting):
    """``VmisKnn``."""

    def __init__(self, log: Countable) -> None:
        super().__init__(log)
        self._knn = VmisKnn(gap_ms=log.sessions.gap, fill=self.popularity)

    def observe(self, click: Click) -> None:
        """Learn a click."""
        super().observe(click)
        self._knn.observe(click)

    def top(self, user: str) -> list[str]:
        """Items of the nearest sessions, then popular ones."""
        return self._knn.top(user, RANKED)

    def weights(self, user: str) -> Mapping[str, float]:
        """Scores of the nearest sessions' items."""
        return self._knn.scores(user)


COUNTING: dict[str, Callable[[Countable], Counting]] = {
    "popularity": Counting,
    "item-knn": ItemKnn,
    "vmis-knn": SessionKnn,
}
"""name -> contestant."""


def count_cell(make: Callable[[Countable], Counting], log: Countable) -> Cell:
    """Walk through the log once and answer at every test position."""
    model = make(log)
    started = time.monotonic()
    positions = np.concatenate([part.positions for part in log.test])
    shape = (len(positions), 1 + log.test[0].negatives.shape[1])
    logits, themed = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    ranks = np.zeros(shape[0], np.int32)
    asked = {int(at): (part, row) for part in log.test for row, at in enumerate(part.positions)}
    number = {int(at): row for row, at in enumerate(positions)}
    for position, click in log.walk(WARM):
        if position in asked:
            part, row = asked[position]
            at = number[position]
            logits[at], themed[at] = _logits(model, log, click.user_id, part, row)
            listed = model.top(click.user_id)
            ranks[at] = listed.index(click.item_id) + 1 if click.item_id in listed else 0
        model.observe(click)
    scores = Scores(logits=logits, themed=themed, ranks=ranks)
    return Cell(
        scores=scores,
        validation=None,
        rate=0.0,
        passes=1,
        seconds=0.0,
        seconds_scoring=time.monotonic() - started,
        parameters=0,
    )


def _logits(model: Counting, log: Countable, user: str, part: Part, row: int) -> tuple[list[float], list[float]]:
    """Log p(x|u) - log q(x) of the target and its negatives, twice."""
    weights = model.weights(user)
    total = sum(weights.values())
    names, target = log.catalogue.items, int(part.targets[row])

    def logit(item: int) -> float:
        if item <= 0:
            return float("nan")
        share = float(part.log_share[item].exp())
        recent = model.popularity.share(names[item - 1])
        chance = 0.5 * share + 0.5 * recent
        if total > 0:
            chance = NEIGHBOURLY * weights.get(names[item - 1], 0.0) / total + (1 - NEIGHBOURLY) * chance
        return float(np.log(chance) - part.log_share[item])

    return (
        [logit(target), *(logit(int(item)) for item in part.negatives[row])],
        [logit(target), *(logit(int(item)) for item in part.themed[row])],
    )
