"""Which half-life suits the co-clicks of a log, and whether its users resume their sessions and repeat items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.tried import HOUR, gains_of, split
from mos_online.contracts import Click

KNN_CANDIDATES = tuple(hours * HOUR for hours in (2, 24, 30 * 24, 180 * 24))

LEARNED = 100_000
"""At most so many clicks before the judged ones are learned."""


class Neighbours(Protocol):
    """A recommender by nearest neighbours."""

    def observe(self, click: Click) -> None:
        """Learn a click."""
        ...

    def top(self, user_id: str, k: int, exclude: Collection[str] = ()) -> list[str]:
        """The ``k`` best items for a user."""
        ...


@dataclass(frozen=True, kw_only=True)
class ListRules:
    """How neighbours make a list.

    Attributes:
        resumes: whether the session before counts at the start of the next one.
        repeats: whether items that the user had may be in it.
    """

    resumes: bool
    repeats: bool


@dataclass(frozen=True, kw_only=True)
class KnnChoice(ListRules):
    """What suits the co-clicks of a log: their half-life (ms), and how they make a list."""

    half_life_ms: float


def choose_knn(
    events: pl.DataFrame,
    *,
    gap_ms: int,
    popularity_half_life_ms: float,
    candidates: Sequence[float] = KNN_CANDIDATES,
    judged: int = 20_000,
    every: int = 5,
) -> KnnChoice:
    """The half-life of ``LastItemKnn`` with the best NDCG@10, with or without repeats; then the rules of its lists.

    How much longer co-clicks stay true than popularity differs too much for a rule: news did best at 2 hours
    (popularity at 15 minutes), check-ins and film ratings at half a year (popularity at an hour and at a week). At a
    week, film ratings lose a quarter of their hits.

    Args:
        events: as for ``choose_half_life``, as are ``candidates`` and ``every``.
        gap_ms: of sessions.
        popularity_half_life_ms: of the popularity that fills the lists.
        candidates: half-lives to try, ms.
        judged: events at the end that are predicted, at most half of all.
        every: one event in ``every`` is predicted.
    """
    past, newest = split(events, min(judged, len(events) // 2), LEARNED)

    def gains(half_life: float, *, resumes: bool) -> dict[bool, float]:
        return _knn_gains(
            past,
            newest,
            every,
            popularity_half_life_ms,
            lambda fill: LastItemKnn(gap_ms=gap_ms, half_life_ms=half_life, fill=fill, resumes=resumes),
        )

    ended = {half_life: gains(half_life, resumes=False) for half_life in candidates}
    best = max(ended, key=lambda half_life: max(ended[half_life].values()))
    rules = _best_rules({False: ended[best], True: gains(best, resumes=True)})
    return KnnChoice(half_life_ms=best, resumes=rules.resumes, repeats=rules.repeats)


def choose_list_rules(
    events: pl.DataFrame,
    make: Callable[[RecentPopularity, bool], Neighbours],
    *,
    popularity_half_life_ms: float,
    judged: int = 20_000,
    every: int = 20,
) -> ListRules:
    """The rules by which a recommender does best.

    Args:
        events: as for ``choose_half_life``, as is ``every``.
        make: makes the recommender, from the popularity that fills its lists and whether sessions are resumed.
        popularity_half_life_ms: of that popularity.
        judged: events at the end that are predicted, at most half of all.
        every: one event in ``every`` is predicted.
    """
    past, newest = split(events, min(judged, len(events) // 2), LEARNED)

    def gains(resumes: bool) -> dict[bool, float]:
        return _knn_gains(past, newest, every, popularity_half_life_ms, lambda fill: make(fill, resumes))

    return _best_rules({resumes: gains(resumes) for resumes in (False, True)})


def _best_rules(gains: dict[bool, dict[bool, float]]) -> ListRules:
    """``gains``: by whether sessions are resumed, and then by whether items are repeated. The first of equals wins."""
    every = [(resumes, repeats) for resumes in (False, True) for repeats in (True, False)]
    resumes, repeats = max(every, key=lambda rules: gains[rules[0]][rules[1]])
    return ListRules(resumes=resumes, repeats=repeats)


def _knn_gains(
    past: Sequence[Click],
    newest: Sequence[Click],
    every: int,
    popularity_half_life_ms: float,
    make: Callable[[RecentPopularity], Neighbours],
) -> dict[bool, float]:
    """Sums of NDCG@10, as ``gains_of``."""
    fill = RecentPopularity(half_life_ms=popularity_half_life_ms)
    knn = make(fill)

    def observe(click: Click) -> None:
        fill.observe(click)
        knn.observe(click)

    return gains_of(past, newest, every, lambda click, unwanted: knn.top(click.user_id, 10, unwanted), observe)
