"""What scoring gives for a query, and why it may give nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mos_online.contracts import Assignment, Exploration, Fallback
from mos_online.errors import MosError
from mos_online.recommend.query import Ranking

if TYPE_CHECKING:
    from mos_online.recommend.recommender import Recommender  # imports torch, which only replicas need


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one query.

    Attributes:
        ranking: the items and the user's themes.
        fallback: what answered instead of the model's best, and why; None if nothing did.
        recommender: the model that was in service: its versions, and the labels of its themes.
        fast_version: of the fast weights that gave click probabilities; None if there are no probabilities.
        assignments: the user's arms.
        exploration: how the list was explored; None if it could not be.
        others: seconds in which its call waited while models and routers of other arms answered.
    """

    ranking: Ranking
    fallback: Fallback | None
    recommender: Recommender
    fast_version: str | None
    assignments: list[Assignment]
    exploration: Exploration | None
    others: float = 0.0


class OverloadedError(MosError):
    """More queries are waiting than can be answered in time.

    Attributes:
        retry_after: seconds after which a retry makes sense.
    """

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GreedyError(OverloadedError):
    """One client has more queries waiting than its share."""


class NoModelError(MosError):
    """There is no model to score with yet."""


class ScoringError(MosError):
    """The model failed on a query; the model's own error is the cause.

    Attributes:
        position: of the query in the call.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"the model failed on query {position}")
        self.position = position
