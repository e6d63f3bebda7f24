"""What a replica answers with: for users without experiments, and for each treatment of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from mos_online.contracts import Exploration, Fallback, FallbackReason
from mos_online.experiments.exploration import explore, pool_size
from mos_online.experiments.treatment import NOBODY, Treated, Treatment, Treatments
from mos_online.recommend.query import Query, Ranking
from serving.scoring.answer import Answer
from serving.scoring.in_service import InService

if TYPE_CHECKING:
    from mos_online.recommend.recommender import Recommender  # imports torch, which only replicas need


class Part(NamedTuple):
    """Queries that one model and router answers together.

    Attributes:
        places: of the queries.
        treated: what the user of each gets.
        of: tells the parts of one model and router from those of others.
    """

    places: list[int]
    treated: list[Treated]
    of: int


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Belongs together, and is swapped as one: a batch is answered with one of these from beginning to end.

    Attributes:
        champion: of users who are in no experiment.
        treatments: who gets what; None while there are no experiments.
        arms: of each treatment that some user may get.
        experiments: number of the revision of the experiments that these arms are of; 0 before the first.
    """

    champion: InService
    treatments: Treatments | None = None
    arms: Mapping[Treatment, InService]
    experiments: int = 0

    def parts(self, queries: Sequence[Query], *, most: int) -> list[Part]:
        """Divide queries by the model and router that answer them, at most so many in a part."""
        groups: dict[Recommender | None, Part] = {}
        for place, query in enumerate(queries):
            recommender, treated = None, NOBODY
            if self.treatments is not None:
                treated = self.treatments.of(query.user_id)
                recommender = self.arms[treated.treatment].recommender
            group = groups.setdefault(recommender, Part([], [], id(recommender)))
            group.places.append(place)
            group.treated.append(treated)
        return [
            Part(group.places[begin : begin + most], group.treated[begin : begin + most], group.of)
            for group in groups.values()
            for begin in range(0, len(group.places), most)
        ]

    def answers(self, queries: Sequence[Query], treated: Sequence[Treated], *, store_down: bool) -> list[Answer]:
        """Answer one of the parts.

        Args:
            queries: with profiles, unless the store is away.
            treated: what the user of each query gets, as the part says.
            store_down: whether profiles could not be read.
        """
        if self.treatments is None:
            rankings = self.champion.recommender.recommend(queries)
            return [_answer(self.champion, NOBODY, ranking, None, store_down) for ranking in rankings]
        asked = [_longer(query, one.treatment) for query, one in zip(queries, treated, strict=True)]
        rankings = self.arms[treated[0].treatment].recommender.recommend(asked)
        return [self._treated(*one, store_down) for one in zip(queries, treated, rankings, strict=True)]

    def _treated(self, query: Query, treated: Treated, ranking: Ranking, store_down: bool) -> Answer:
        exploration, epsilon = None, treated.treatment.exploration
        if epsilon:
            ranking, exploration = _explored(query, ranking, epsilon)
        return _answer(self.arms[treated.treatment], treated, ranking, exploration, store_down)


def _longer(query: Query, treatment: Treatment) -> Query:
    return replace(query, k=pool_size(query.k)) if treatment.exploration else query


def _explored(query: Query, ranking: Ranking, epsilon: float) -> tuple[Ranking, Exploration | None]:
    """The list that is asked for; one of its places may hold an item of the rest, if the model has ranked."""
    pool = [item.item_id for item in ranking.items]
    if ranking.fallback is not None or len(pool) <= query.k:
        return replace(ranking, items=ranking.items[: query.k]), None
    explored = explore(query.request_id, pool, query.k, epsilon)
    items = ranking.items[: query.k]
    if explored.slot is not None:
        items[explored.slot] = ranking.items[pool.index(explored.items[explored.slot])]
    return replace(ranking, items=items), Exploration(epsilon=epsilon, slot=explored.slot, pool=pool)


def _answer(
    in_service: InService, treated: Treated, ranking: Ranking, exploration: Exploration | None, store_down: bool
) -> Answer:
    weighed = in_service.with_probabilities(ranking)
    return Answer(
        ranking=weighed,
        fallback=_fallback(ranking, store_down),
        recommender=in_service.recommender,
        fast_version=in_service.weights.version if in_service.weights is not None and weighed is not ranking else None,
        assignments=treated.assignments,
        exploration=exploration,
    )


def _fallback(ranking: Ranking, store_down: bool) -> Fallback | None:
    reason: FallbackReason | None = "store_unavailable" if store_down else ranking.fallback
    if reason is None:
        return None
    return Fallback(source="model" if ranking.fallback is None else "popularity", reason=reason)
