"""Deletes rows from Feast's online store by key, or puts them out of the way; Feast deletes whole tables only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import redis

from features.addresses import entity_names, hash_names, table_of
from features.location import Location

ASIDE = b"set-aside:"
"""Comes before the key of a row that was set aside."""


def delete_rows(online: Any, config: Any, view: Any, keys: Sequence[Any], location: Location) -> None:
    """Delete the rows of a view, set aside or not; nothing of them stays readable in a SQLite file either.

    Args:
        online: Feast's online store.
        config: its `RepoConfig`.
        view: the feature view; on Redis it must be the only one of its entity, whose views share one hash.
        keys: entity keys; those without a row are passed over.
        location: tells which store it is.

    Raises:
        sqlite3.Error, redis.RedisError: the store cannot be reached or is locked.
    """
    if location.kind == "redis":
        client = online._get_client(config.online_store)  # noqa: SLF001 - Feast has no public way
        client.delete(*(prefix + name for name in hash_names(config, keys) for prefix in (b"", ASIDE)))
        return
    names, table = entity_names(config, keys), table_of(config, view)
    connection: sqlite3.Connection = online._get_conn(config)  # noqa: SLF001
    connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten, in the file too
    with connection:
        gone = [(prefix + name,) for name in names for prefix in (b"", ASIDE)]
        connection.executemany(f'DELETE FROM "{table}" WHERE entity_key = ?', gone)  # noqa: S608
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # and in the log that is written ahead


def set_aside_rows(online: Any, config: Any, view: Any, keys: Sequence[Any], location: Location) -> None:
    """Move rows of a view to other keys, where nobody reads them; an earlier one that was set aside is overwritten.

    The arguments and the errors are those of ``delete_rows``.
    """
    if location.kind == "redis":
        client = online._get_client(config.online_store)  # noqa: SLF001
        with client.pipeline(transaction=False) as pipe:
            for name in hash_names(config, keys):
                pipe.rename(name, ASIDE + name)
            answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, redis.RedisError) and "no such key" not in str(answer):
                raise answer
        return
    table = table_of(config, view)
    connection: sqlite3.Connection = online._get_conn(config)  # noqa: SLF001
    with connection:
        for name in entity_names(config, keys):
            connection.execute(f'DELETE FROM "{table}" WHERE entity_key = ?', (ASIDE + name,))  # noqa: S608
            connection.execute(
                f'UPDATE "{table}" SET entity_key = ? WHERE entity_key = ?',  # noqa: S608
                (ASIDE + name, name),
            )
