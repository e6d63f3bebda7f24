"""Checks the API key."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from serving.http.problem import unauthorized


class Authentication:
    """Asks for the key in the header X-API-Key. It asks for nothing if the service has no key."""

    def __init__(self, api_key: str | None) -> None:
        self._key = api_key.encode() if api_key else None

    def check(self, request: Request) -> None:
        """Let a request with the key pass.

        Raises:
            Problem: 401, the key is missing or wrong.
        """
        if self._key is None:
            return
        given = request.headers.get("x-api-key")
        if given is None or not hmac.compare_digest(given.encode("latin-1"), self._key):
            raise unauthorized(given=given is not None)
