"""Deletes rows from Feast's online store by key, or puts them out of the way; Feast deletes whole tables only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import redis
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id

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
    names = _names(config, keys)
    if location.kind == "redis":
        client = online._get_client(config.online_store)  # noqa: SLF001 - Feast has no public way
        suffix = config.project.encode()
        client.delete(*(prefix + name + suffix for name in names for prefix in (b"", ASIDE)))
        return
    connection, table = _table(online, config, view)
    connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten, in the file too
    with connection:
        gone = [(prefix + name,) for name in names for prefix in (b"", ASIDE)]
        connection.executemany(f'DELETE FROM "{table}" WHERE entity_key = ?', gone)  # noqa: S608
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # and in the log that is written ahead


def set_aside_rows(online: Any, config: Any, view: Any, keys: Sequence[Any], location: Location) -> None:
    """Move rows of a view to other keys, where nobody reads them; an earlier one that was set aside is overwritten.

    The arguments and the errors are those of ``delete_rows``.
    """
    names = _names(config, keys)
    if location.kind == "redis":
        client = online._get_client(config.online_store)  # noqa: SLF001
        suffix = config.project.encode()
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.rename(name + suffix, ASIDE + name + suffix)
            answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, redis.RedisError) and "no such key" not in str(answer):
                raise answer
        return
    connection, table = _table(online, config, view)
    with connection:
        for name in names:
            connection.execute(f'DELETE FROM "{table}" WHERE entity_key = ?', (ASIDE + name,))  # noqa: S608
            connection.execute(
                f'UPDATE "{table}" SET entity_key = ? WHERE entity_key = ?',  # noqa: S608
                (ASIDE + name, name),
            )


def _names(config: Any, keys: Sequence[Any]) -> list[bytes]:
    version = config.entity_key_serialization_version
    return [serialize_entity_key(key, entity_key_serialization_version=version) for key in keys]


def _table(online: Any, config: Any, view: Any) -> tuple[sqlite3.Connection, str]:
    table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    return online._get_conn(config), table  # noqa: SLF001
