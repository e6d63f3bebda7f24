"""Describes a route of the API: where it answers, how, and what the OpenAPI document says about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.http.keys import Scope

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """Holds what the OpenAPI document says about an endpoint.

    Attributes:
        name: the operation's id.
        summary: what the endpoint gives, in a few words.
        description: what else there is to know; may be empty.
        body: the type of the request's body, None where there is none.
        example: a body that works; only with ``body``.
        answer: the type of a good answer, None for plain text.
        good: what a good answer is, in a few words.
        status: of a good answer.
        errors: the other statuses that it may answer with, apart from 401 and 403.
    """

    name: str
    summary: str
    description: str = ""
    body: type[msgspec.Struct] | None = None
    example: dict[str, Any] = field(default_factory=dict)
    answer: type[msgspec.Struct] | None = None
    good: str
    status: int = 200
    errors: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Answers one path with one method.

    Attributes:
        path: of the URL.
        method: of HTTP, in capitals.
        handle: makes the answer; raises ``Problem`` where that is an error.
        scope: what a key must allow, where the service has keys; None asks for no key.
        documentation: None leaves the endpoint out of the OpenAPI document.
    """

    path: str
    method: str
    handle: Handler
    scope: Scope | None
    documentation: Documentation | None
