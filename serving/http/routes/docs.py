"""GET /openapi.json and GET /docs: the contract for programs and for people."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.http.endpoint import Endpoint
from serving.http.keys import Scope
from serving.http.reference import page


def openapi_json(document: dict[str, Any], *, scope: Scope | None) -> Endpoint:
    """Make the endpoint that gives the OpenAPI document as JSON."""
    json = msgspec.json.encode(document)

    async def handle(_: Request) -> Response:
        return Response(json, media_type="application/json")

    return Endpoint(path="/openapi.json", method="GET", handle=handle, scope=scope, documentation=None)


def reference(document: dict[str, Any], *, scope: Scope | None) -> Endpoint:
    """Make the endpoint that gives the OpenAPI document as a page."""
    html = page(document).encode()

    async def handle(_: Request) -> Response:
        return Response(html, media_type="text/html; charset=utf-8")

    return Endpoint(path="/docs", method="GET", handle=handle, scope=scope, documentation=None)
