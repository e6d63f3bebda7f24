"""How a Redis server treats what is stored in it: whether it may evict rows, and whether it keeps them on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from features.location import CONNECT_TIMEOUT, SOCKET_TIMEOUT, parse_location
from features.store_errors import redis_error_message
from mos_online.errors import StoreError


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """Facts about a server.

    Attributes:
        eviction: its `maxmemory-policy`.
        on_disk: whether it has an append-only file or saves snapshots; None if it does not say.
    """

    eviction: str
    on_disk: bool | None

    @property
    def evicts_rows(self) -> bool:
        """Whether it drops rows when it is full. Our rows do not expire, so `volatile-*` spares them."""
        return self.eviction != "noeviction" and not self.eviction.startswith("volatile-")


def redis_server(store: str) -> RedisServer:
    """Ask the server of a Redis URL.

    Raises:
        SettingsError: the URL cannot be used.
        StoreError: the server does not answer.
    """
    location = parse_location(store)
    client: Any = redis.Redis.from_url(store, socket_connect_timeout=CONNECT_TIMEOUT, socket_timeout=SOCKET_TIMEOUT)
    try:
        info = client.info()
        on_disk: bool | None = bool(info.get("aof_enabled"))
        if not on_disk:
            on_disk = _saves(client)
    except redis.RedisError as error:
        raise StoreError(redis_error_message(error, location)) from None
    finally:
        client.close()
    return RedisServer(eviction=str(info.get("maxmemory_policy", "noeviction")), on_disk=on_disk)


def _saves(client: Any) -> bool | None:
    """Whether it saves snapshots; hosted servers often do not let us ask."""
    try:
        return bool(client.config_get("save").get("save"))
    except redis.ResponseError:
        return None
