"""POST /v1/events."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mos_online.errors import BrokerUnavailableError
from serving.feedback.events import EventPublisher
from serving.http.answers import json_answer
from serving.http.api import EventsRequest, EventsResponse
from serving.http.bodies import Bodies
from serving.http.body import BodyReader
from serving.http.call import call_of
from serving.http.endpoint import Documentation, Endpoint
from serving.http.problem import Problem, greedy, overloaded
from serving.scoring.answer import GreedyError, OverloadedError
from serving.scoring.fair_share import FairShare
from serving.scoring.limits import Limits

RETRY_AFTER = 5
"""Seconds; a broker that is started again needs about as long."""

EXAMPLE = {
    "clicks": [
        {
            "event_id": "c1",
            "user_id": "u42",
            "item_id": "i7",
            "timestamp": 1_700_000_000_000,
            "request_id": "9f86d081884c7d659a2feaa0c55ad015",
        }
    ],
    "impressions": [
        {
            "event_id": "s1",
            "user_id": "u42",
            "request_id": "9f86d081884c7d659a2feaa0c55ad015",
            "item_ids": ["i3", "i7"],
            "timestamp": 1_700_000_000_000,
        }
    ],
}


def events(publisher: EventPublisher, bodies: Bodies, limits: Limits) -> Endpoint:
    """Make the endpoint that takes clicks and impressions."""
    reader = BodyReader(EventsRequest, bodies, limit=limits.events_body)
    share = FairShare(room=limits.max_events, call=limits.max_events_call)

    async def handle(request: Request) -> Response:
        body, client = await reader.read(request), call_of(request).client.name
        count = len(body.clicks) + len(body.impressions)
        if not 1 <= count <= limits.max_events_call:
            raise Problem(
                422,
                "invalid",
                f"the call has {count} events; 1 to {limits.max_events_call} are allowed",
                fix="send clicks or impressions, in several calls if there are many",
            )
        try:
            share.take(client, count)
        except GreedyError as error:
            raise greedy(str(error), retry_after=error.retry_after) from None
        except OverloadedError as error:
            raise overloaded(str(error), retry_after=error.retry_after) from None
        try:
            await publisher.publish(body.clicks, body.impressions)
        except BrokerUnavailableError as error:
            raise _not_taken(str(error)) from None
        finally:
            share.give_back(client, count)
        return json_answer(EventsResponse(accepted=count), status=202)

    return Endpoint(
        path="/v1/events",
        method="POST",
        handle=handle,
        scope="write",
        documentation=Documentation(
            name="events",
            summary="Takes clicks and impressions.",
            description="The answer comes when Kafka has all of them. One invalid event fails the call, and none is "
            "taken. After a 503, send all of them again: an event_id that is repeated counts once.",
            body=EventsRequest,
            example=EXAMPLE,
            answer=EventsResponse,
            good="Kafka has all of them.",
            status=202,
            errors=(400, 408, 413, 415, 422, 429, 500, 503),
        ),
    )


def _not_taken(reason: str) -> Problem:
    return Problem(
        503,
        "not_taken",
        reason,
        fix=f"send all events again after {RETRY_AFTER} s; a repeated event_id counts once",
        headers={"Retry-After": str(RETRY_AFTER)},
    )
