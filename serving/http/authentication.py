"""Checks the API key of a request and says who the client is."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from serving.http.clients import Addresses
from serving.http.keys import KeyRing, Scope
from serving.http.problem import forbidden, unauthorized


class Client(NamedTuple):
    """Who asks.

    Attributes:
        key: the id of the key, None where none is needed.
        name: the key's id, or the address; whoever has the same name shares one share of the service.
    """

    key: str | None
    name: str


UNKNOWN = Client(key=None, name="an unknown client")


class Authentication:
    """Asks for a key in the header X-API-Key. It asks for nothing if the service has no keys."""

    def __init__(self, keys: KeyRing, addresses: Addresses) -> None:
        self._keys = keys
        self._addresses = addresses

    def check(self, request: Request, scope: Scope | None) -> Client:
        """Let a request pass that may do what ``scope`` allows; None: everybody may.

        Raises:
            Problem: 401, the key is missing or wrong; 403, it does not allow this.
        """
        if scope is None or not self._keys.needed:
            return Client(key=None, name=f"address {self._addresses.of(request)}")
        given = request.headers.get("x-api-key")
        key = self._keys.find(given) if given is not None else None
        if key is None:
            raise unauthorized(given=given is not None)
        if scope not in key.scopes:
            raise forbidden(key.id, scope)
        return Client(key=key.id, name=f"key {key.id}")
