"""A question to a model before it serves: does it answer, and with numbers?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from mos_online.contracts import SessionEvent
from mos_online.errors import ModelError
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender

ITEMS = 20


def check_model(folder: Path) -> None:
    """Check that a model can serve: its files load, and it ranks with finite scores.

    Every promotion and every rollback makes this check: pass it to ``Registry.promote`` and ``Registry.rollback``.

    Args:
        folder: of a version, from ``Registry.fetch``.

    Raises:
        ModelError: a file cannot be read, the model does not answer itself, or a score is not a finite number.
    """
    loaded(Recommender.load, folder)


def loaded(load: Callable[[Path], Recommender], folder: Path) -> Recommender:
    """Load a model, and let it rank once: then the first user does not pay for lazy initialisation.

    Raises:
        ModelError: it cannot serve, for whatever reason.
    """
    try:
        recommender = load(folder)
        require_finite_scores(recommender)
    except ModelError:
        raise
    except Exception as error:  # what is wrong with weights is found by whichever operation they do not suit
        raise ModelError(f"the model in {folder} cannot serve: {error!r}; train again with `mos train`") from error
    return recommender


class Answers(Protocol):
    """The part of ``Recommender`` that is asked."""

    model_version: str

    def recommend(self, queries: list[Query]) -> list[Ranking]:
        """Rank for a batch of queries."""


def require_finite_scores(recommender: Answers) -> None:
    """Let a model that has just been loaded rank for a user who clicked its most popular items, now and ahead.

    Ask before it has observed any popularity, so that the popular items are those that it was trained on.

    Raises:
        ModelError: the model does not answer itself, or a score is not a finite number.
    """
    now = time.time_ns() // 1_000_000
    (popular,) = recommender.recommend([_query([], now=now, k=ITEMS)])
    events = [
        SessionEvent(event_id=str(number), item_id=item.item_id, timestamp=now - 1000 * number)
        for number, item in enumerate(popular.items)
    ]
    asked = _query(events, now=now, k=len(events))
    for ranking in recommender.recommend([asked, msgspec.structs.replace(asked, ahead=True)]):
        scores = [item.score for item in ranking.items]
        # An item whose score is not a number is left out of a ranking.
        if ranking.fallback is not None or len(scores) < max(len(events), 1) or not all(map(math.isfinite, scores)):
            raise ModelError(
                f"model {recommender.model_version} does not rank: of {len(events)} items it gave {len(scores)} a score"
                f", fallback {ranking.fallback}, scores {scores[:3]}; train again with `mos train`"
            )


def _query(events: list[SessionEvent], *, now: int, k: int) -> Query:
    return Query(user_id="", profile=None, events=events, timestamp=now, k=k, exclude=[])
