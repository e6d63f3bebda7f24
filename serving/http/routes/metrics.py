"""GET /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.http.endpoint import Documentation, Endpoint
from serving.http.keys import Scope

if TYPE_CHECKING:
    from serving.scoring.service import Service


def metrics(service: Service, *, scope: Scope | None, namespace: str) -> Endpoint:
    """Make the endpoint that tells counters and histograms in Prometheus' text format."""

    async def handle(_: Request) -> Response:
        return Response(
            service.metrics.render(namespace=namespace), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    return Endpoint(
        path="/metrics",
        method="GET",
        handle=handle,
        scope=scope,
        documentation=Documentation(
            name="metrics", summary="Counters and histograms for Prometheus.", good="All metrics."
        ),
    )
