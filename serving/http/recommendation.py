"""From requests to queries of the scoring, and from its answers to responses."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mos_online.contracts import Decision, EventTypes
from mos_online.recommend.query import Query
from serving.feedback.decisions import DecisionLog
from serving.http.api import Item, RecommendRequest, RecommendResponse, session_events
from serving.http.problem import greedy, internal, overloaded
from serving.scoring.answer import Answer, GreedyError, OverloadedError, ScoringError

if TYPE_CHECKING:
    from serving.scoring.service import Service

log = logging.getLogger(__name__)


async def responses_to(
    service: Service,
    requests: Sequence[RecommendRequest],
    names: Sequence[str],
    *,
    client: str,
    types: EventTypes,
    decisions: DecisionLog,
) -> list[RecommendResponse]:
    """Return the responses, in the order of ``requests``.

    Args:
        service: answers.
        requests: of one call.
        names: the id of each response.
        client: who asks.
        types: what the types of events mean.
        decisions: told what was answered.

    Raises:
        Problem: 429, this client has too many waiting; 503, all have, or these waited too long, or there is no model;
            500, the model failed.
    """
    begun = time.monotonic()
    try:
        queries = [_query(request, name, types) for request, name in zip(requests, names, strict=True)]
        answers = await service.recommend(queries, client=client)
    except GreedyError as error:
        raise greedy(str(error), retry_after=error.retry_after) from None
    except OverloadedError as error:
        raise overloaded(str(error), retry_after=error.retry_after) from None
    except ScoringError as error:
        request, name = requests[error.position], names[error.position]
        log.exception("request %r of %s: the model failed for user %r", name, client, request.user_id)
        raise internal(name) from None
    latency = time.monotonic() - begun
    decisions.put([_decision(*one, latency) for one in zip(requests, names, queries, answers, strict=True)])
    return [_response(request, name, answer) for request, name, answer in zip(requests, names, answers, strict=True)]


def _query(request: RecommendRequest, name: str, types: EventTypes) -> Query:
    events = session_events(request.events, types)
    if request.timestamp is not None:
        moment = request.timestamp
    else:  # a client's clock may run ahead of ours
        moment = max([time.time_ns() // 1_000_000, *(event.timestamp for event in events)])
    return Query(
        user_id=request.user_id,
        profile=None,
        events=events,
        timestamp=moment,
        k=request.k,
        exclude=request.exclude,
        request_id=name,
        ahead=request.trigger == "session_closed",
        teaches=request.trigger != "test",
    )


def _decision(request: RecommendRequest, name: str, query: Query, answer: Answer, latency: float) -> Decision:
    ranking, recommender = answer.ranking, answer.recommender
    return Decision(
        request_id=name,
        user_id=request.user_id,
        timestamp=query.timestamp,
        trigger=request.trigger,
        items=ranking.items,
        candidates=ranking.candidates,
        model_version=recommender.model_version,
        router_version=recommender.router_version,
        fallback=answer.fallback,
        popularity_as_of=ranking.popularity_as_of,
        co_clicks_as_of=ranking.co_clicks_as_of,
        score_level=ranking.score_level,
        fast_version=answer.fast_version,
        latency_ms=round(1000 * (latency - answer.others), 2),
        assignments=answer.assignments,
        exploration=answer.exploration,
    )


def _response(request: RecommendRequest, name: str, answer: Answer) -> RecommendResponse:
    ranking, recommender = answer.ranking, answer.recommender
    labels = recommender.router.labels
    return RecommendResponse(
        request_id=name,
        user_id=request.user_id,
        items=[
            Item(
                item_id=item.item_id,
                score=item.score,
                theme=item.theme,
                together_with=item.together_with,
                p_click=item.p_click,
                theme_label=labels[item.theme],
            )
            for item in ranking.items
        ],
        themes=ranking.themes,
        model_version=recommender.model_version,
        router_version=recommender.router_version,
        fallback=answer.fallback,
        popularity_as_of=ranking.popularity_as_of,
        co_clicks_as_of=ranking.co_clicks_as_of,
        assignments=answer.assignments,
    )
