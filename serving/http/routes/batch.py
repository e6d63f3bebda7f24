"""POST /v1/recommend/batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.feedback.decisions import DecisionLog
from serving.http.answers import json_answer
from serving.http.api import BatchRequest, BatchResponse
from serving.http.bodies import Bodies
from serving.http.body import BodyReader
from serving.http.call import call_of
from serving.http.endpoint import Documentation, Endpoint
from serving.http.recommendation import responses_to
from serving.http.routes.recommend import ERRORS, EXAMPLE

if TYPE_CHECKING:
    from serving.scoring.service import Service


def batch(service: Service, bodies: Bodies, decisions: DecisionLog) -> Endpoint:
    """Make the endpoint that recommends items for several users, or for one user several times."""
    reader = BodyReader(BatchRequest, bodies, limit=service.limits.batch_body)

    async def handle(request: Request) -> Response:
        body, call = await reader.read(request), call_of(request)
        names = [one.request_id or f"{call.request_id}-{number}" for number, one in enumerate(body.requests)]
        client, types = call.client.name, bodies.rules.types
        responses = await responses_to(service, body.requests, names, client=client, types=types, decisions=decisions)
        return json_answer(BatchResponse(responses=responses))

    return Endpoint(
        path="/v1/recommend/batch",
        method="POST",
        handle=handle,
        scope="recommend",
        documentation=Documentation(
            name="recommend_batch",
            summary="Items for several users.",
            description="Answers come in the order of the requests. One invalid request fails the call.",
            body=BatchRequest,
            example={"requests": [EXAMPLE]},
            answer=BatchResponse,
            good="One answer per request.",
            errors=ERRORS,
        ),
    )
