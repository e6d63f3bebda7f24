"""GET /v1/model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.http.answers import json_answer
from serving.http.api import ModelInfo, ThemeLabel
from serving.http.endpoint import Documentation, Endpoint

if TYPE_CHECKING:
    from serving.scoring.service import Service


def model(service: Service) -> Endpoint:
    """Make the endpoint that tells the versions in service."""

    async def handle(_: Request) -> Response:
        recommender = service.recommender
        info = ModelInfo(
            model_version=recommender.model_version,
            router_version=recommender.router_version,
            router_epoch=recommender.router.epoch,
            router_sequence=recommender.router.sequence,
            mixing_clicks=recommender.mixing_clicks,
            loaded_at=service.loaded_at,
            experiments=service.experiments,
            themes=[ThemeLabel(theme=theme, label=label) for theme, label in enumerate(recommender.router.labels)],
        )
        return json_answer(info)

    return Endpoint(
        path="/v1/model",
        method="GET",
        handle=handle,
        scope="recommend",
        documentation=Documentation(
            name="model",
            summary="The versions in service and the words of their themes.",
            answer=ModelInfo,
            good="What is in service.",
            errors=(503,),
        ),
    )
