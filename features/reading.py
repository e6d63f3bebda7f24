"""Reads rows from Feast's online store so that a row that cannot be decoded costs nobody but its owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from features.rows import Values


@dataclass(frozen=True)
class Damaged:
    """In place of a row that cannot be decoded.

    Attributes:
        fault: what is wrong with it.
    """

    fault: str


def read_rows(online: Any, config: Any, view: Any, keys: Sequence[Any]) -> list[Values | Damaged]:
    """Read one row per key.

    Feast decodes all rows of a call, and fails with the first that it cannot. Then halves are read, and halves of
    these, down to the rows at fault.

    Args:
        online: Feast's online store.
        config: its `RepoConfig`.
        view: the feature view.
        keys: entity keys.

    Returns:
        For each key the features that are set: none if there is no such row.

    Raises:
        sqlite3.Error, redis.RedisError: the store cannot be reached or read.
    """
    if not keys:
        return []
    try:
        rows = online.online_read(config, view, list(keys))
        return [{name: v for name, v in (values or {}).items() if v.WhichOneof("val")} for _, values in rows]
    except Exception as error:  # whatever a decoder raises at bytes that nobody wrote for it
        if is_unreachable(error):
            raise
        if len(keys) == 1:
            return [Damaged(repr(error))]
    middle = len(keys) // 2
    return [row for half in (keys[:middle], keys[middle:]) for row in read_rows(online, config, view, half)]


def is_unreachable(error: Exception) -> bool:
    """Whether an error is one of the whole store, and not of one row.

    Redis answers WRONGTYPE where something else than a row lies under the key of a row.
    """
    if isinstance(error, redis.RedisError):
        return "WRONGTYPE" not in str(error)
    return isinstance(error, sqlite3.Error | OSError)
