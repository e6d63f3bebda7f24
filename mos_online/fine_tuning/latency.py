"""How long models take to answer: the same requests in turn, so that a busy machine is unfair to none."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from mos_online.contracts import SessionEvent
from mos_online.errors import ModelError
from mos_online.fine_tuning.data import TuningData
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender

REQUESTS = 500
WARM_UP = 20
K = 20


def requests_of(data: TuningData) -> list[Query]:
    """Requests of users of the held-out positions, with their last events as the open session."""
    log, count = data.log, len(data.window.held_out)
    names, times = log.events["item_id"].to_list(), log.times.tolist()
    made = []
    for number in range(REQUESTS + WARM_UP):
        position = int(data.window.held_out[number % count])
        begin = position - min(int(log.history[position]), 20)
        events = [
            SessionEvent(event_id=str(place), item_id=names[place], timestamp=times[place])
            for place in range(begin, position)
        ]
        made.append(Query(user_id="", profile=None, events=events, timestamp=times[position], k=K, exclude=[]))
    return made


def slowest(candidate: Recommender, champion: Recommender, requests: Sequence[Query]) -> tuple[float, float]:
    """Seconds at the 99th percentile, of candidate and champion.

    Raises:
        ModelError: the candidate gives an item no score, or a fallback where the champion gives none.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for request in requests:
        answers = []
        for spent, recommender in zip(seconds, (candidate, champion), strict=True):
            began = time.perf_counter()
            answers += recommender.recommend([request])
            spent.append(time.perf_counter() - began)
        own, other = answers
        fell_back = own.fallback is not None and other.fallback is None
        if fell_back or not all(np.isfinite(one.score) for one in own.items):
            raise ModelError(
                f"the candidate answers a request with fallback {own.fallback} and {len(own.items)} items, the "
                f"champion with fallback {other.fallback} and {len(other.items)} items: it cannot serve"
            )
    of_candidate, of_champion = (float(np.quantile(spent[WARM_UP:], 0.99)) for spent in seconds)
    return of_candidate, of_champion
