"""Prequential judging: every answer is given before its label exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from mos_online.metrics.ranking import (
    Estimate,
    clustered_mean,
    hit_rate,
    ndcg,
    paired_difference,
    reciprocal_rank,
)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What all models reached on one kind of requests.

    Attributes:
        requests: settled requests of the kind.
        hit_rate, ndcg, reciprocal_rank: recommender -> estimate.
        hit_rate_difference, ndcg_difference: other recommender -> first minus other, paired by request.
    """

    requests: int
    hit_rate: dict[str, Estimate]
    ndcg: dict[str, Estimate]
    reciprocal_rank: dict[str, Estimate]
    hit_rate_difference: dict[str, Estimate]
    ndcg_difference: dict[str, Estimate]


@dataclass
class _Settled:
    users: list[str] = field(default_factory=list)
    hits: dict[str, list[float]] = field(default_factory=dict)
    gains: dict[str, list[float]] = field(default_factory=dict)
    reciprocal: dict[str, list[float]] = field(default_factory=dict)


class PrequentialJudge:
    """Collects rankings of several recommenders for the same requests, and their labels when they come.

    >>> judge = PrequentialJudge()
    >>> judge.ask("r1", "u", "inside", {"mos": ["a", "b"], "popularity": ["c", "a"]})
    >>> judge.settle("r1", "a")
    >>> judge.result("inside").ndcg["popularity"].mean
    0.6309297535714575
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, str, Mapping[str, Sequence[str]]]] = {}
        self._settled: dict[str, _Settled] = {}
        self._names: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """Kinds with at least one settled request, in the order of their first."""
        return list(self._settled)

    def ask(self, request_id: str, user_id: str, kind: str, rankings: Mapping[str, Sequence[str]]) -> None:
        """Note what each recommender answered, best first.

        Raises:
            ValueError: not the recommenders of the first request: their means would not be of the same requests.
        """
        names = tuple(rankings)
        self._names = self._names or names
        if names != self._names:
            raise ValueError(f"request {request_id} was answered by {names}, the first one by {self._names}")
        self._open[request_id] = (user_id, kind, rankings)

    def settle(self, request_id: str, item_id: str) -> None:
        """Take the label of a request. An unknown or settled request is ignored."""
        asked = self._open.pop(request_id, None)
        if asked is None:
            return
        user_id, kind, rankings = asked
        settled = self._settled.setdefault(kind, _Settled())
        settled.users.append(user_id)
        for name, ranking in rankings.items():
            settled.hits.setdefault(name, []).append(hit_rate(ranking, item_id))
            settled.gains.setdefault(name, []).append(ndcg(ranking, item_id))
            settled.reciprocal.setdefault(name, []).append(reciprocal_rank(ranking, item_id))

    def result(self, kind: str) -> Judged:
        """Estimates of a kind; differences are of the first recommender against each other one."""
        settled = self._settled[kind]
        users = settled.users
        first, *others = settled.hits

        def means(values: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
            return {name: clustered_mean(values[name], users) for name in values}

        def differences(values: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
            return {name: paired_difference(values[first], values[name], users) for name in others}

        return Judged(
            requests=len(users),
            hit_rate=means(settled.hits),
            ndcg=means(settled.gains),
            reciprocal_rank=means(settled.reciprocal),
            hit_rate_difference=differences(settled.hits),
            ndcg_difference=differences(settled.gains),
        )
