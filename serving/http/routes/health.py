"""GET /healthz and GET /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from starlette.requests import Request
from starlette.responses import Response

from mos_online.health import Health
from serving.http.answers import json_answer
from serving.http.endpoint import Documentation, Endpoint
from serving.http.problem import not_ready

if TYPE_CHECKING:
    from serving.scoring.service import Service


def alive(service: Service) -> Endpoint:
    """Make the endpoint that tells whether the process is alive."""

    async def handle(_: Request) -> Response:
        return json_answer(_health(service, "alive"))

    return Endpoint(
        path="/healthz",
        method="GET",
        handle=handle,
        scope=None,
        documentation=Documentation(
            name="healthz", summary="Whether the process is alive.", answer=Health, good="It is."
        ),
    )


def ready(service: Service) -> Endpoint:
    """Make the endpoint that tells whether answers are as good as they should be."""

    async def handle(_: Request) -> Response:
        if reason := service.not_ready():
            raise not_ready(reason)
        return json_answer(_health(service, "ready"))

    return Endpoint(
        path="/readyz",
        method="GET",
        handle=handle,
        scope=None,
        documentation=Documentation(
            name="readyz",
            summary="Whether the model and the online store can be used.",
            answer=Health,
            good="Both can.",
            errors=(503,),
        ),
    )


def _health(service: Service, status: Literal["alive", "ready"]) -> Health:
    details = [problem for problem in (service.model_problem, service.store_problem) if problem]
    details += service.experiment_problems
    return Health(program="serve", status=status, details=details)
