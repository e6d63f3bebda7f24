"""Deletes rows from Feast's online store by key; Feast itself deletes whole tables only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id

from features.location import Location


def delete_rows(online: Any, config: Any, view: Any, keys: Sequence[Any], location: Location) -> None:
    """Delete the rows of a view; nothing of them stays readable in a SQLite file either.

    Args:
        online: Feast's online store.
        config: its `RepoConfig`.
        view: the feature view; on Redis it must be the only one of its entity, whose views share one hash.
        keys: entity keys; those without a row are passed over.
        location: tells which store it is.

    Raises:
        sqlite3.Error, redis.RedisError: the store cannot be reached or is locked.
    """
    version = config.entity_key_serialization_version
    names = [serialize_entity_key(key, entity_key_serialization_version=version) for key in keys]
    if location.kind == "redis":
        client = online._get_client(config.online_store)  # noqa: SLF001 - Feast has no public way
        client.delete(*(name + config.project.encode() for name in names))
        return
    connection = online._get_conn(config)  # noqa: SLF001
    table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten, in the file too
    with connection:
        connection.executemany(f'DELETE FROM "{table}" WHERE entity_key = ?', [(name,) for name in names])  # noqa: S608
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # and in the log that is written ahead
