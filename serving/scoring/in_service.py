"""What a replica answers with: model, router and fast weights, swapped as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.recommend.query import Ranking

if TYPE_CHECKING:
    from mos_online.recommend.recommender import Recommender  # imports torch, which only replicas need


class InService(NamedTuple):
    """Belongs together: a batch is answered with one of these from beginning to end.

    Attributes:
        recommender: model and router.
        weights: of this model; None while there are none.
    """

    recommender: Recommender
    weights: ModelWeights | None

    @classmethod
    def of(cls, recommender: Recommender, weights: FastWeights | None) -> InService:
        """Join them; weights of other models are ignored."""
        return cls(recommender, weights.models.get(recommender.model_version) if weights is not None else None)

    def with_probabilities(self, ranking: Ranking) -> Ranking:
        """The ranking with click probabilities, if there are weights and the model has ranked."""
        if self.weights is None or ranking.score_level is None:
            return ranking
        return replace(ranking, items=self.weights.applied(ranking.items, ranking.score_level))
