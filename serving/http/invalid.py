"""Explains what is wrong with a body that does not follow its type."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache

import msgspec

from mos_online.contracts import Click, Impression
from serving.http.api import RecommendEvent, RecommendRequest
from serving.http.problem import Problem

_INNER: dict[str, type[msgspec.Struct]] = {"events": RecommendEvent, "clicks": Click, "impressions": Impression}
"""What is in the lists of these names."""

_AT = re.compile(r" - at `(\$[^`]*)`$")
_FIELD = re.compile(r"\.(\w+)(?:\[[^\]]*\])*$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")


def invalid(message: str, kind: type[msgspec.Struct]) -> Problem:
    """Make a 422 whose fix is the description of the field that ``message`` is about."""
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
    for name, inner in _INNER.items():
        if name in names:
            return inner
    return RecommendRequest if "requests" in names else kind


@cache
def _descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    (_, components) = msgspec.json.schema_components([kind])
    return {name: schema.get("description", "") for name, schema in components[kind.__name__]["properties"].items()}
