"""Translates `MOS_STORE` into the `online_store` section of Feast's configuration. Imports nothing heavy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from mos_online.errors import SettingsError

PROJECT = "mos_online"
"""The Feast project without a namespace."""

SQLITE_FILE = "online_store.db"
"""The name of the SQLite file in `Settings.feast_dir`."""

CONNECT_TIMEOUT = 1.0
"""Seconds that opening a connection to Redis may take."""

SOCKET_TIMEOUT = 2.0
"""Seconds that Redis may take to answer. A request that waits longer gets a fallback answer."""

_ALLOWED = 'allowed: "sqlite", redis://[[user]:password@]host[:port][/db], and rediss://... for TLS'


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the online store is, as `MOS_STORE` says.

    Attributes:
        kind: the Feast store that serves it.
        label: its name in messages; it never holds a password.
        project: the Feast project, which is a part of every key in the store.
        feast: the `online_store` section of feature_store.yaml. It holds the password.
    """

    kind: Literal["sqlite", "redis"]
    label: str
    project: str
    feast: dict[str, str | bool]


def parse_location(store: str, namespace: str = "") -> Location:
    """Parse the value of `MOS_STORE`.

    Args:
        store: the value.
        namespace: of the installation; two of them see nothing of each other in one store.

    Raises:
        SettingsError: the value is neither "sqlite" nor a Redis URL that Feast can express.

    >>> parse_location("redis://:secret@cache:6380/2").label
    'redis://cache:6380/2'
    """
    if store == "sqlite":
        return Location(
            kind="sqlite", label="sqlite", project=project_of(namespace), feast={"type": "sqlite", "path": SQLITE_FILE}
        )
    try:
        url = urlsplit(store)
        port = url.port or 6379
    except ValueError as error:
        raise SettingsError(f"MOS_STORE={_masked(store)}: {error}; {_ALLOWED}") from None
    database = url.path.removeprefix("/") or "0"
    if fault := _fault(url, database):
        raise SettingsError(f"MOS_STORE={_masked(store)}: {fault}; {_ALLOWED}")
    options: dict[str, object] = {
        "db": int(database),
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": SOCKET_TIMEOUT,
        # redis-py would otherwise sleep through several seconds of retries inside one read. Without them the next
        # call connects anew, so a restart of Redis costs exactly the calls made while it was away.
        "retry": None,
    }
    if url.scheme == "rediss":
        options["ssl"] = True
    if url.username:
        options["username"] = unquote(url.username)
    if url.password:
        options["password"] = unquote(url.password)
    return Location(
        kind="redis",
        label=f"{url.scheme}://{url.hostname}:{port}/{database}",
        project=project_of(namespace),
        feast={
            "type": "redis",
            "connection_string": ",".join(
                [f"{url.hostname}:{port}", *(f"{name}={_quoted(value)}" for name, value in options.items())]
            ),
            # We order revisions ourselves, see OnlineStore.write_profiles; saves a round trip.
            "skip_dedup": True,
        },
    )


def project_of(namespace: str) -> str:
    """Name the Feast project of a namespace; Feast allows letters, digits and underscores.

    No project's name ends with the name of another one, because keys in Redis end with it.

    >>> project_of(""), project_of("a.b-c_")
    ('mos_online', 'mos_online_a_pb_hc__')
    """
    if not namespace:
        return PROJECT
    return f"{PROJECT}_{namespace.replace('_', '__').replace('-', '_h').replace('.', '_p')}"


def _fault(url: SplitResult, database: str) -> str | None:
    if url.scheme not in ("redis", "rediss"):
        return f"unknown scheme {url.scheme!r}" if url.scheme else "not a URL"
    if not url.hostname:
        return "the host is missing"
    if ":" in url.hostname:
        return "Feast cannot be given an IPv6 address; use a host name"
    if not database.isdecimal():
        return f"the database must be a number, not {database!r}"
    if url.query or url.fragment:
        return "options after ? or # are not supported"
    return None


def _quoted(value: object) -> str:
    """JSON that survives Feast: it splits the string at commas, and expands $VARIABLES in the whole file."""
    return json.dumps(value).replace(",", "\\u002c").replace("$", "\\u0024")


def _masked(store: str) -> str:
    """The setting as the user wrote it, without what stands between the scheme and the last @."""
    scheme, separator, rest = store.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if separator and "@" in rest else store
