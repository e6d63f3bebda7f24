"""Reads rows from Feast's online store so that a row that cannot be decoded costs nobody but its owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from features.addresses import entity_names, fields_of, hash_names, table_of
from features.location import Location
from features.rows import Value, Values


@dataclass(frozen=True)
class Damaged:
    """In place of a row that cannot be decoded.

    Attributes:
        fault: what is wrong with it.
    """

    fault: str


def read_rows(
    online: Any,
    config: Any,
    view: Any,
    keys: Sequence[Any],
    *,
    location: Location,
    features: Sequence[str] | None = None,
) -> list[Values | Damaged]:
    """Read one row per key.

    Feast's own ``online_read`` fails for all rows of a call if it cannot decode one of them. It also takes half as
    long again, since it decodes the time of each feature, which nobody needs here.

    Args:
        online: Feast's online store.
        config: its `RepoConfig`.
        view: the feature view.
        keys: entity keys.
        location: tells which store it is.
        features: only these of the view; None: all.

    Returns:
        For each key the features that are set: none if there is no such row.

    Raises:
        sqlite3.Error, redis.RedisError: the store cannot be reached or read.
    """
    if not keys:
        return []
    wanted = [one for one in fields_of(view) if features is None or one[0] in features]
    if location.kind == "redis":
        return _in_redis(online, config, wanted, keys)
    return _in_sqlite(online, config, view, [name for name, _ in wanted], keys)


def is_unreachable(error: Exception) -> bool:
    """Whether an error of Redis is one of the whole store, and not of one row.

    Redis answers WRONGTYPE where something else than a row lies under the key of a row.
    """
    return "WRONGTYPE" not in str(error)


def _in_redis(
    online: Any, config: Any, wanted: Sequence[tuple[str, bytes]], keys: Sequence[Any]
) -> list[Values | Damaged]:
    features, fields = zip(*wanted, strict=True)
    client = online._get_client(config.online_store)  # noqa: SLF001 - Feast has no public way
    with client.pipeline(transaction=False) as pipe:
        for name in hash_names(config, keys):
            pipe.hmget(name, fields)
        answers = pipe.execute(raise_on_error=False)
    rows: list[Values | Damaged] = []
    for answer in answers:
        if not isinstance(answer, redis.RedisError):
            rows.append(_decoded(one for one in zip(features, answer, strict=True) if one[1] is not None))
        elif is_unreachable(answer):
            raise answer
        else:
            rows.append(Damaged(repr(answer)))
    return rows


def _in_sqlite(
    online: Any, config: Any, view: Any, features: Sequence[str], keys: Sequence[Any]
) -> list[Values | Damaged]:
    connection: sqlite3.Connection = online._get_conn(config)  # noqa: SLF001
    names = entity_names(config, keys)
    stored: dict[bytes, list[tuple[str, bytes]]] = {name: [] for name in names}
    found = connection.execute(
        f'SELECT entity_key, feature_name, value FROM "{table_of(config, view)}" '  # noqa: S608
        f"WHERE entity_key IN ({','.join('?' * len(names))}) AND feature_name IN ({','.join('?' * len(features))})",
        [*names, *features],
    )
    for name, feature, content in found:
        stored[name].append((feature, content))
    return [_decoded(stored[name]) for name in names]


def _decoded(stored: Iterable[tuple[str, bytes]]) -> Values | Damaged:
    """The features that are set, of those that the store has of one row."""
    values: Values = {}
    try:
        for feature, content in stored:
            value = Value.FromString(content)
            if value.WhichOneof("val"):
                values[feature] = value
    except (DecodeError, TypeError, ValueError) as error:  # bytes that nobody wrote for it, or no bytes at all
        return Damaged(repr(error))
    return values
