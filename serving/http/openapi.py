"""Makes the OpenAPI 3.1 document from the endpoints and from the types that check their bodies."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

from mos_online import __version__
from serving.http.endpoint import Documentation, Endpoint
from serving.http.problem import ErrorBody

_REF = "#/components/schemas/{name}"

_ERRORS = {
    400: "The body is not JSON.",
    401: "The API key is missing or wrong.",
    403: "The API key does not allow this.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body has a Content-Encoding that is not read.",
    422: "A field is missing, unknown, mistyped or out of range, or a time cannot be believed; the message names it.",
    429: "This client has too many requests waiting; retry after the seconds in Retry-After.",
    500: "A fault of the service; the message gives the id to look for in its log.",
    503: "Overloaded or not ready; retry after the seconds in Retry-After.",
}


def document(endpoints: Sequence[Endpoint], *, api_key: bool) -> dict[str, Any]:
    """Make the document, as plain data.

    Args:
        endpoints: what to describe; those without documentation are left out.
        api_key: whether the service asks for one.
    """
    components: dict[str, Any] = {"schemas": _schemas(endpoints)}
    if api_key:
        components["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MoS Online",
            "version": __version__,
            "description": "Recommendations from a user's past sessions, by theme, and from the session that is open.",
        },
        "paths": {
            endpoint.path: {endpoint.method.lower(): _operation(endpoint, endpoint.documentation, api_key=api_key)}
            for endpoint in endpoints
            if endpoint.documentation is not None
        },
        "components": components,
        **({"security": [{"key": []}]} if api_key else {}),
    }


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    documented = [endpoint.documentation for endpoint in endpoints if endpoint.documentation is not None]
    types = [kind for one in documented for kind in (one.body, one.answer) if kind is not None]
    _, schemas = msgspec.json.schema_components([*types, ErrorBody], ref_template=_REF)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return schemas


def _operation(endpoint: Endpoint, described: Documentation, *, api_key: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": described.name, "summary": described.summary}
    if described.description:
        operation["description"] = described.description
    if endpoint.scope is None:
        operation["security"] = []
    if described.body is not None:
        content = {"schema": _ref(described.body), "example": described.example}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if described.answer is not None:
        good: dict[str, Any] = {"application/json": {"schema": _ref(described.answer)}}
    else:
        good = {"text/plain": {"schema": {"type": "string"}}}
    errors = {*described.errors, *([401, 403] if api_key and endpoint.scope is not None else [])}
    operation["responses"] = {str(described.status): {"description": described.good, "content": good}} | {
        str(status): _error(status) for status in sorted(errors)
    }
    return operation


def _error(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {"application/json": {"schema": _ref(ErrorBody)}},
    }
    if status in {429, 503}:
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}
