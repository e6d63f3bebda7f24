"""The OpenAPI 3.1 document, made from the types that check the requests."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from mos_online import __version__
from serving.http import api
from serving.http.problem import ErrorBody

_REF = "#/components/schemas/{name}"
_TYPES = (
    api.RecommendRequest,
    api.RecommendResponse,
    api.BatchRequest,
    api.BatchResponse,
    api.ModelInfo,
    api.Health,
    ErrorBody,
)

_ERRORS = {
    "400": "The body is not JSON.",
    "401": "The API key is missing or wrong.",
    "413": "The body is too large.",
    "422": "A field is missing, unknown, mistyped or out of range; the message names it.",
    "500": "A fault of the service; the message gives the id to look for in its log.",
    "503": "Overloaded or not ready; retry after the seconds in Retry-After.",
}

_EXAMPLE = {"user_id": "u42", "k": 3, "events": [{"item_id": "i7", "timestamp": 1_700_000_000_000}]}


def document(*, api_key: bool) -> dict[str, Any]:
    """The document as plain data.

    Args:
        api_key: whether the service asks for one.
    """
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    components: dict[str, Any] = {"schemas": schemas}
    if api_key:
        components["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MoS Online",
            "version": __version__,
            "description": "Recommendations from a user's past sessions, by theme, and from the session that is open.",
        },
        "paths": _paths(["401"] if api_key else []),
        "components": components,
        **({"security": [{"key": []}]} if api_key else {}),
    }


def _paths(auth: list[str]) -> dict[str, Any]:
    asks = ["400", *auth, "413", "422", "500", "503"]
    return {
        "/v1/recommend": {
            "post": {
                "operationId": "recommend",
                "summary": "Items for one user.",
                "description": "An unknown user, an empty history or unknown items are no error: the answer is 200 "
                "and `fallback` says what answered instead of the model, and why.",
                "requestBody": _body("RecommendRequest", _EXAMPLE),
                "responses": _responses("The items, best first.", "RecommendResponse", asks),
            }
        },
        "/v1/recommend/batch": {
            "post": {
                "operationId": "recommend_batch",
                "summary": "Items for several users.",
                "description": "Answers come in the order of the requests. One invalid request fails the call.",
                "requestBody": _body("BatchRequest", {"requests": [_EXAMPLE]}),
                "responses": _responses("One answer per request.", "BatchResponse", asks),
            }
        },
        "/v1/model": {
            "get": {
                "operationId": "model",
                "summary": "The versions in service and the words of their themes.",
                "responses": _responses("What is in service.", "ModelInfo", auth),
            }
        },
        "/healthz": {"get": _open("healthz", "Whether the process is alive.", "It is.", [])},
        "/readyz": {
            "get": _open("readyz", "Whether the model and the online store can be used.", "Both can.", ["503"])
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Counters and histograms for Prometheus.",
                "security": [],
                "responses": {
                    "200": {"description": "All metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}
                },
            }
        },
    }


def _open(name: str, summary: str, good: str, errors: list[str]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "security": [], "responses": _responses(good, "Health", errors)}


def _body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(schema), "example": example}}}


def _responses(description: str, schema: str, errors: list[str]) -> dict[str, Any]:
    good = {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}
    return {"200": good} | {status: _error(status) for status in errors}


def _error(status: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {"application/json": {"schema": _ref("ErrorBody")}},
    }
    if status == "503":
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}
