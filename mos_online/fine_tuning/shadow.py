"""Shadow: candidate and champion answer the same requests, and nobody sees what the candidate says."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from mos_online.contracts import Outcome, Session, SessionEvent, actions_of
from mos_online.errors import ModelError
from mos_online.fine_tuning.data import TuningData
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session
from mos_online.users.view import SessionRouters

REQUESTS = 500
WARM_UP = 20
K = 20
TOP = 10


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """How a candidate answers, beside the champion.

    Attributes:
        logged: so many of the requests were once answered by the service; the others are made of held-out clicks.
        overlap: share of the champion's first ten items that are among the candidate's first ten, on average.
        items: different items among the first ten of all answers, of candidate and champion.
        latency: seconds at the 99th percentile, of candidate and champion.
    """

    logged: int
    overlap: float
    items: tuple[int, int]
    latency: tuple[float, float]


def logged_requests(
    outcomes: Sequence[Outcome], sessions: Iterable[Session], routers: SessionRouters, sizes: RingSizes
) -> list[Query]:
    """The newest requests that the service has answered, with users' profiles and open sessions as they were then.

    Args:
        outcomes: of the newest answers, in order of time.
        sessions: of the same users, as far as they are known.
        routers: that have routed them.
        sizes: of the profiles.
    """
    wanted = outcomes[-REQUESTS:]
    asking = {outcome.user_id for outcome in wanted}
    closed: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        if session.user_id in asking:
            closed[session.user_id].append(session)
    past: dict[str, UserProfile] = {}
    made = []
    for outcome in sorted(wanted, key=lambda one: one.timestamp):
        user, at = outcome.user_id, outcome.timestamp
        for session in (one for one in closed[user] if one.watermark <= at):
            router = routers.at(session.watermark)
            profile = past.get(user) or UserProfile(user_id=user)
            past[user] = apply_session(profile, session, router.route(session), router, sizes)
        closed[user] = [one for one in closed[user] if one.watermark > at]
        opened = [event for one in closed[user] for event in actions_of(one) if event.timestamp < at]
        made.append(Query(user_id=user, profile=past.get(user), events=opened[-TOP:], timestamp=at, k=K, exclude=[]))
    return made


def made_requests(data: TuningData, count: int) -> list[Query]:
    """Requests of users of the held-out positions, with their last events as the open session."""
    log, held_out = data.log, data.window.held_out
    names, times = log.events["item_id"].to_list(), log.times.tolist()
    made = []
    for number in range(count):
        position = int(held_out[number % len(held_out)])
        begin = position - min(int(log.history[position]), 20)
        events = [
            SessionEvent(event_id=str(place), item_id=names[place], timestamp=times[place])
            for place in range(begin, position)
        ]
        made.append(Query(user_id="", profile=None, events=events, timestamp=times[position], k=K, exclude=[]))
    return made


def shadow(candidate: Recommender, champion: Recommender, requests: Sequence[Query], *, logged: int = 0) -> Shadow:
    """Let both answer in turn, so that a busy machine is unfair to none.

    Args:
        candidate, champion: as they would serve.
        requests: the first ``WARM_UP`` are not timed.
        logged: of how many the service has been asked.

    Raises:
        ModelError: the candidate gives an item no score, or a fallback where the champion gives none.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    named: tuple[set[str], set[str]] = (set(), set())
    same = []
    for request in requests:
        answers: list[Ranking] = []
        for spent, recommender in zip(seconds, (candidate, champion), strict=True):
            began = time.perf_counter()
            answers += recommender.recommend([request])
            spent.append(time.perf_counter() - began)
        own, other = answers
        _require_answer(own, other)
        tops = [{item.item_id for item in one.items[:TOP]} for one in answers]
        for items, top in zip(named, tops, strict=True):
            items.update(top)
        same.append(len(tops[0] & tops[1]) / max(len(tops[1]), 1))
    of_candidate, of_champion = (float(np.quantile(spent[WARM_UP:], 0.99)) for spent in seconds)
    return Shadow(
        logged=logged,
        overlap=float(np.mean(same)),
        items=(len(named[0]), len(named[1])),
        latency=(of_candidate, of_champion),
    )


def _require_answer(own: Ranking, other: Ranking) -> None:
    fell_back = own.fallback is not None and other.fallback is None
    if fell_back or not all(np.isfinite(one.score) for one in own.items):
        raise ModelError(
            f"the candidate answers a request with fallback {own.fallback} and {len(own.items)} items, the "
            f"champion with fallback {other.fallback} and {len(other.items)} items: it cannot serve"
        )
