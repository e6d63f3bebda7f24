"""Models that count instead of fit: popularity and nearest neighbours, learning from every click at once."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

import numpy as np
import polars as pl

from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Run, Scores
from mos_online.baselines import (
    HadItems,
    KnnChoice,
    LastItemKnn,
    RecentPopularity,
    VmisKnn,
    choose_list_rules,
    popularity_repeats,
)
from mos_online.contracts import Click
from mos_online.sessions import SessionConfig
from mos_online.training.catalogue import Catalogue

RANKED = 100
"""A target further down than this counts as not ranked."""

NEIGHBOURLY = 0.9
"""Share of the neighbours' items in the chance of an item; popularity has the rest (Jelinek & Mercer 1980)."""


class JudgedLog(Protocol):
    """What counting needs of an experiment: requests to answer, and all clicks up to the last of them."""

    half_life_ms: float
    sessions: SessionConfig
    catalogue: Catalogue

    @property
    def knn(self) -> KnnChoice:
        """The settings of item-kNN that are best before validation."""
        ...

    @property
    def test(self) -> list[RequestBatch]:
        """The requests on which the models are compared."""
        ...

    def past(self, cut: int) -> pl.DataFrame:
        """Events before the router's cut (0) or before validation (1)."""
        ...

    def replay(self) -> Iterator[tuple[int, Click]]:
        """Positions and clicks in order of time, from ``WARM_UP_CLICKS`` before the first test position on."""
        ...


class CountingModel(ABC):
    """A counting recommender: ``observe`` clicks, rank and weigh items for a user.

    Each leaves out what the user had, if that was better before validation.
    """

    repeats: bool

    def __init__(self, log: JudgedLog) -> None:
        self.popularity = RecentPopularity(half_life_ms=log.half_life_ms)
        self._had = HadItems()

    def observe(self, click: Click) -> None:
        """Learn a click."""
        self.popularity.observe(click)
        self._had.observe(click)

    def top(self, user: str) -> list[str]:
        """Rank the best ``RANKED`` items for a user."""
        return self.best(user, () if self.repeats else self._had.of(user))

    @abstractmethod
    def best(self, user: str, unwanted: Collection[str]) -> list[str]:
        """Rank the best ``RANKED`` items for a user that are not unwanted."""

    def weights(self, user: str) -> Mapping[str, float]:
        """Map items of the neighbours to weights; empty if there are none."""
        return {}


class Popularity(CountingModel):
    """Ranks by decayed clicks."""

    def __init__(self, log: JudgedLog) -> None:
        super().__init__(log)
        self.repeats = popularity_repeats(log.past(1), half_life_ms=log.half_life_ms)

    def best(self, user: str, unwanted: Collection[str]) -> list[str]:
        """Rank popular items."""
        return self.popularity.top(RANKED, unwanted)


class ItemKnn(CountingModel):
    """Ranks with ``LastItemKnn``, with the settings that are best before validation."""

    def __init__(self, log: JudgedLog) -> None:
        super().__init__(log)
        self.repeats = log.knn.repeats
        self._knn = LastItemKnn(
            gap_ms=log.sessions.gap, half_life_ms=log.knn.half_life_ms, fill=self.popularity, resumes=log.knn.resumes
        )

    def observe(self, click: Click) -> None:
        """Learn a click."""
        super().observe(click)
        self._knn.observe(click)

    def best(self, user: str, unwanted: Collection[str]) -> list[str]:
        """Rank co-clicked items first, then popular ones."""
        return self._knn.top(user, RANKED, unwanted)

    def weights(self, user: str) -> Mapping[str, float]:
        """Co-click weights of the last item's neighbours, empty if there are none."""
        return self._knn.neighbours(user)


class SessionKnn(CountingModel):
    """Items of the sessions most like the open one, by ``VmisKnn``; like the one before if that is better."""

    def __init__(self, log: JudgedLog) -> None:
        super().__init__(log)

        def knn(fill: RecentPopularity, resumes: bool) -> VmisKnn:
            return VmisKnn(gap_ms=log.sessions.gap, fill=fill, resumes=resumes)

        rules = choose_list_rules(log.past(1), knn, popularity_half_life_ms=log.half_life_ms)
        self.repeats = rules.repeats
        self._knn = knn(self.popularity, rules.resumes)

    def observe(self, click: Click) -> None:
        """Learn a click."""
        super().observe(click)
        self._knn.observe(click)

    def best(self, user: str, unwanted: Collection[str]) -> list[str]:
        """Rank items of the nearest sessions first, then popular ones."""
        return self._knn.top(user, RANKED, unwanted)

    def weights(self, user: str) -> Mapping[str, float]:
        """Scores of the nearest sessions' items, empty if there are none."""
        return self._knn.scores(user)


COUNTING_MODELS: dict[str, Callable[[JudgedLog], CountingModel]] = {
    "popularity": Popularity,
    "item-knn": ItemKnn,
    "vmis-knn": SessionKnn,
}
"""name -> how it is made for a log."""


def count_run(make: Callable[[JudgedLog], CountingModel], log: JudgedLog) -> Run:
    """Walk through the log once and answer at every test position."""
    model = make(log)
    started = time.monotonic()
    positions = np.concatenate([one.positions for one in log.test])
    shape = (len(positions), 1 + log.test[0].negatives.shape[1])
    logits, themed = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    ranks = np.zeros(shape[0], np.int32)
    asked = {int(at): (requests, row) for requests in log.test for row, at in enumerate(requests.positions)}
    number = {int(at): row for row, at in enumerate(positions)}
    for position, click in log.replay():
        if position in asked:
            at = number[position]
            logits[at], themed[at] = _logits(model, log, click.user_id, *asked[position])
            listed = model.top(click.user_id)
            ranks[at] = listed.index(click.item_id) + 1 if click.item_id in listed else 0
        model.observe(click)
    return Run(
        scores=Scores(logits=logits, themed=themed, ranks=ranks),
        validation=None,
        rate=0.0,
        alike=False,
        passes=1,
        seconds=0.0,
        seconds_scoring=time.monotonic() - started,
        parameters=0,
    )


def _logits(
    model: CountingModel, log: JudgedLog, user: str, requests: RequestBatch, row: int
) -> tuple[list[float], list[float]]:
    """Log p(x|u) - log q(x) of the target and its negatives, twice."""
    weights = model.weights(user)
    total = sum(weights.values())
    names, target = log.catalogue.items, int(requests.targets[row])

    def logit(item: int) -> float:
        if item <= 0:
            return float("nan")
        share = float(requests.log_share[item].exp())
        recent = model.popularity.share(names[item - 1])
        chance = 0.5 * share + 0.5 * recent
        if total > 0:
            chance = NEIGHBOURLY * weights.get(names[item - 1], 0.0) / total + (1 - NEIGHBOURLY) * chance
        return float(np.log(chance) - requests.log_share[item])

    return (
        [logit(target), *(logit(int(item)) for item in requests.negatives[row])],
        [logit(target), *(logit(int(item)) for item in requests.themed[row])],
    )
