"""Which half-life suits the co-clicks of a log, and whether its users resume their sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from mos_online.baselines.counting import LastItemKnn, RecentPopularity
from mos_online.baselines.tried import HOUR, gain_of, split
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
class KnnChoice:
    """What suits the co-clicks of a log: their half-life (ms), and whether sessions are resumed."""

    half_life_ms: float
    resumes: bool


def choose_knn(
    events: pl.DataFrame,
    *,
    gap_ms: int,
    popularity_half_life_ms: float,
    candidates: Sequence[float] = KNN_CANDIDATES,
    judged: int = 20_000,
    every: int = 5,
) -> KnnChoice:
    """The half-life of ``LastItemKnn`` with the best NDCG@10, and then whether sessions are resumed.

    How much longer co-clicks stay true than popularity differs too much for a rule: news did best at 2 hours
    (popularity at 15 minutes), check-ins and film ratings at half a year (popularity at an hour and at a week). At a
    week, film ratings lose a quarter of their hits.

    Args:
        events: as for ``choose_half_life``, as are ``candidates``, ``judged`` and ``every``.
        gap_ms: of sessions.
        popularity_half_life_ms: of the popularity that fills the lists.
        candidates: half-lives to try, ms.
        judged: events at the end that are predicted.
        every: one event in ``every`` is predicted.
    """
    past, newest = split(events, judged, LEARNED)

    def gain(half_life: float, *, resumes: bool) -> float:
        return _knn_gain(
            past,
            newest,
            every,
            popularity_half_life_ms,
            lambda fill: LastItemKnn(gap_ms=gap_ms, half_life_ms=half_life, fill=fill, resumes=resumes),
        )

    gains = {half_life: gain(half_life, resumes=False) for half_life in candidates}
    best = max(gains, key=lambda half_life: gains[half_life])
    return KnnChoice(half_life_ms=best, resumes=gain(best, resumes=True) > gains[best])


def sessions_resume(
    events: pl.DataFrame,
    make: Callable[[RecentPopularity, bool], Neighbours],
    *,
    popularity_half_life_ms: float,
    judged: int = 20_000,
    every: int = 20,
) -> bool:
    """Whether a recommender does better if the session before counts at the start of the next one.

    Args:
        events: as for ``choose_half_life``, as are ``judged`` and ``every``.
        make: makes the recommender, from the popularity that fills its lists and whether sessions are resumed.
        popularity_half_life_ms: of that popularity.
        judged: events at the end that are predicted.
        every: one event in ``every`` is predicted.
    """
    past, newest = split(events, judged, LEARNED)

    def gain(resumes: bool) -> float:
        return _knn_gain(past, newest, every, popularity_half_life_ms, lambda fill: make(fill, resumes))

    return gain(True) > gain(False)


def _knn_gain(
    past: Sequence[Click],
    newest: Sequence[Click],
    every: int,
    popularity_half_life_ms: float,
    make: Callable[[RecentPopularity], Neighbours],
) -> float:
    """Sum of NDCG@10, as ``gain_of``."""
    fill = RecentPopularity(half_life_ms=popularity_half_life_ms)
    knn = make(fill)

    def observe(click: Click) -> None:
        fill.observe(click)
        knn.observe(click)

    return gain_of(past, newest, every, lambda click: knn.top(click.user_id, 10), observe)
