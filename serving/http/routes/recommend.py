"""POST /v1/recommend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.http.answers import json_answer
from serving.http.api import RecommendRequest, RecommendResponse
from serving.http.body import BodyReader
from serving.http.endpoint import Documentation, Endpoint
from serving.http.recommendation import responses_to

if TYPE_CHECKING:
    from serving.scoring.service import Service

EXAMPLE = {"user_id": "u42", "k": 3, "events": [{"item_id": "i7", "timestamp": 1_700_000_000_000}]}
ERRORS = (400, 413, 422, 500, 503)
"""The statuses of a request for recommendations that fails."""


def recommend(service: Service) -> Endpoint:
    """Make the endpoint that recommends items for one user."""
    reader = BodyReader(RecommendRequest, limit=service.limits.body)

    async def handle(request: Request) -> Response:
        (response,) = await responses_to(service, [await reader.read(request)])
        return json_answer(response)

    return Endpoint(
        path="/v1/recommend",
        method="POST",
        handle=handle,
        guarded=True,
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
