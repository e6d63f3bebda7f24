"""Where Feast's online store keeps a row: the key of its hash in Redis, or its table and entity key in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3, compute_table_id


def entity_names(config: Any, keys: Sequence[Any]) -> list[bytes]:
    """The entity keys in bytes, as SQLite's column ``entity_key`` holds them."""
    version = config.entity_key_serialization_version
    return [serialize_entity_key(key, entity_key_serialization_version=version) for key in keys]


def hash_names(config: Any, keys: Sequence[Any]) -> list[bytes]:
    """The keys of the rows' hashes in Redis."""
    suffix = config.project.encode()
    return [name + suffix for name in entity_names(config, keys)]


def fields_of(view: Any) -> list[tuple[str, bytes]]:
    """The name of each feature of a view, and the name of its field in the rows' hashes."""
    return [(feature.name, _field(view.name, feature.name)) for feature in view.features]


def table_of(config: Any, view: Any) -> str:
    """The table in SQLite that holds the rows of a view, one row of the table for each feature."""
    table: str = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    return table


@cache
def _field(view: str, feature: str) -> bytes:
    field: bytes = _mmh3(f"{view}:{feature}")
    return field
