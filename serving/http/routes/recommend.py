"""POST /v1/recommend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.feedback.decisions import DecisionLog
from serving.http.answers import json_answer
from serving.http.api import RecommendRequest, RecommendResponse
from serving.http.bodies import Bodies
from serving.http.body import BodyReader
from serving.http.call import call_of
from serving.http.endpoint import Documentation, Endpoint
from serving.http.recommendation import responses_to

if TYPE_CHECKING:
    from serving.scoring.service import Service

EXAMPLE = {"user_id": "u42", "k": 3, "events": [{"item_id": "i7", "timestamp": 1_700_000_000_000}]}
ERRORS = (400, 408, 413, 415, 422, 429, 500, 503)
"""The statuses of a request for recommendations that fails."""


def recommend(service: Service, bodies: Bodies, decisions: DecisionLog) -> Endpoint:
    """Make the endpoint that recommends items for one user."""
    reader = BodyReader(RecommendRequest, bodies, limit=service.limits.body)

    async def handle(request: Request) -> Response:
        body, call = await reader.read(request), call_of(request)
        if body.request_id is not None:
            call.take_name(body.request_id)
        names = [body.request_id or call.request_id]
        client, types = call.client.name, bodies.rules.types
        (response,) = await responses_to(service, [body], names, client=client, types=types, decisions=decisions)
        return json_answer(response)

    return Endpoint(
        path="/v1/recommend",
        method="POST",
        handle=handle,
        scope="recommend",
        documentation=Documentation(
            name="recommend",
            summary="Items for one user.",
            description="An unknown user, an empty history or unknown items are no error: the answer is 200 and "
            "`fallback` says what answered instead of the model, and why.",
            body=RecommendRequest,
            example=EXAMPLE,
            answer=RecommendResponse,
            good="The items, best first.",
            errors=ERRORS,
        ),
    )
