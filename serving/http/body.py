"""Reads the bodies of requests, and explains what is wrong with those that cannot be read."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import Generic, TypeVar

import msgspec

from mos_online.contracts import NOT_JSON, decode_leniently
from serving.http.api import BatchRequest, RecommendEvent, RecommendRequest
from serving.http.problem import Problem, not_json

Body = TypeVar("Body", bound=RecommendRequest | BatchRequest)


class BodyReader(Generic[Body]):
    """Parses and checks the bodies of one path."""

    def __init__(self, kind: type[Body]) -> None:
        self._kind: type[Body] = kind
        self._lists = ("requests", "events") if kind is BatchRequest else ("events",)
        self._decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(kind)

    def read(self, raw: bytes) -> Body:
        """The request in ``raw``.

        Raises:
            Problem: 400, not JSON; 422, a field is missing, unknown, mistyped or out of range.
        """
        try:
            body = decode_leniently(self._decoder, raw, *self._lists)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), self._kind) from None
        except NOT_JSON as error:
            raise not_json(str(error)) from None
        if isinstance(body, BatchRequest):
            for index, request in enumerate(body.requests):
                _check_times(request, f"$.requests[{index}]")
        else:
            _check_times(body, "$")
        return body


def _check_times(request: RecommendRequest, path: str) -> None:
    if request.timestamp is None:
        return
    for index, event in enumerate(request.events):
        if event.timestamp > request.timestamp:
            raise Problem(
                422,
                "invalid",
                f"an event is later ({event.timestamp}) than the moment to recommend for ({request.timestamp}) "
                f"- at `{path}.events[{index}].timestamp`",
                fix="leave such events out, or send a later `timestamp` (or none: now)",
            )


_AT = re.compile(r" - at `(\$[^`]*)`$")
_FIELD = re.compile(r"\.(\w+)(?:\[[^\]]*\])*$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")


def _invalid(message: str, kind: type[msgspec.Struct]) -> Problem:
    """422 with a fix taken from the description of the field that ``message`` is about."""
    at = _AT.search(message)
    path = at.group(1) if at else "$"
    if missing := _MISSING.search(message):
        path += f".{missing.group(1)}"
    if unknown := _UNKNOWN.search(message):
        allowed = sorted(_descriptions(_object_at(path, kind)))
        near = get_close_matches(unknown.group(1), allowed, n=1)
        fix = (f"did you mean `{near[0]}`? " if near else "") + f"allowed fields: {', '.join(allowed)}"
    elif field := _FIELD.search(path):
        owner = _object_at(path[: field.start()], kind)
        described = _descriptions(owner).get(field.group(1))
        fix = f"`{field.group(1)}`: {described}" if described else f"see {owner.__name__} in /openapi.json"
    else:
        fix = f"send an object with the fields of {_object_at(path, kind).__name__}; see /openapi.json"
    return Problem(422, "invalid", message, fix=fix)


def _object_at(path: str, kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct that a path of msgspec's (such as ``$.requests[...].events[0]``) leads to."""
    names = re.findall(r"\.(\w+)", path)
    if "events" in names:
        return RecommendEvent
    return RecommendRequest if "requests" in names else kind


@cache
def _descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    (_, components) = msgspec.json.schema_components([kind])
    return {name: schema.get("description", "") for name, schema in components[kind.__name__]["properties"].items()}
