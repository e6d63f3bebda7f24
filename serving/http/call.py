"""What is known of an HTTP call beside its body."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from starlette.requests import Request

from serving.http.authentication import UNKNOWN, Client

HEADER = "x-request-id"
SCOPE = "mos.call"
"""Where a ``Call`` lies in the scope of ASGI."""
_PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(slots=True, kw_only=True)
class Call:
    """One HTTP call.

    Attributes:
        request_id: the caller's ``X-Request-ID`` or ours; the answer says it in the same header.
        client: who asks; unknown until the key has been checked.
    """

    request_id: str
    client: Client = UNKNOWN

    def take_name(self, request_id: str) -> None:
        """Say ``request_id``, which a body has named, in the header too, if a header can."""
        if is_plain(request_id):
            self.request_id = request_id


def call_of(request: Request) -> Call:
    """Return what ``serving.http.answers`` has noted about a request."""
    call: Call = request.scope[SCOPE]
    return call


def request_id_of(request: Request) -> str:
    """Return the caller's id of a request, or make one: 32 random hexadecimal digits."""
    given = request.headers.get(HEADER, "")
    return given if is_plain(given) else os.urandom(16).hex()


def is_plain(request_id: str) -> bool:
    """Say whether an id may stand in a header and in a log as it is."""
    return _PLAIN.fullmatch(request_id) is not None
