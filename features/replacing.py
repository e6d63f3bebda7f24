"""Replaces rows of Feast's online store if they are still what the writer has read: compare and set.

Feast itself writes whatever it is given. Two writers of one row, such as a worker that has lost its partition and the
new owner, would overwrite each other's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from features.addresses import entity_names, fields_of, hash_names, table_of
from features.location import Location
from features.rows import Row, Values

COMPARE_AND_SET = """
local compared = 2 * tonumber(ARGV[1])
for i = 2, compared, 2 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, compared + 2))
return 1
"""
"""Arguments: how many fields are compared; each of them with its expected value ("": it is not there); then the new
fields with their values."""


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A new row, and what the store must hold for it to be written.

    Attributes:
        row: the new row.
        expected: the features of the row that it replaces, among them those that are compared; empty if there must be
            no row.
    """

    row: Row
    expected: Values


def replace_rows(
    online: Any,
    config: Any,
    view: Any,
    replacements: Sequence[Replacement],
    *,
    compared: Sequence[str],
    location: Location,
) -> list[bool]:
    """Write rows, each if the stored row is the expected one. Each comparison and its write are one step.

    Args:
        online: Feast's online store.
        config: its `RepoConfig`.
        view: the feature view.
        replacements: at most one of each key.
        compared: names of the features that are compared; every change of a row changes one of them.
        location: tells which store it is.

    Returns:
        For each of them, whether it was written.

    Raises:
        sqlite3.Error, redis.RedisError: the store cannot be reached or written; any number may have been written.
    """
    if not replacements:
        return []
    expected = [
        [one.expected[name].SerializeToString() if name in one.expected else b"" for name in compared]
        for one in replacements
    ]
    if location.kind == "redis":
        return _in_redis(online, config, view, replacements, expected, compared)
    return _in_sqlite(online, config, view, replacements, expected, compared)


def _in_redis(
    online: Any,
    config: Any,
    view: Any,
    replacements: Sequence[Replacement],
    expected: list[list[bytes]],
    compared: Sequence[str],
) -> list[bool]:
    """The fields of a row's hash are named as Feast names them."""
    client = online._get_client(config.online_store)  # noqa: SLF001 - Feast has no public way
    fields = dict(fields_of(view))
    names = hash_names(config, [one.row[0] for one in replacements])
    with client.pipeline(transaction=False) as pipe:
        for name, one, wanted in zip(names, replacements, expected, strict=True):
            _, values, moment, _ = one.row
            stamp = Timestamp()
            stamp.FromDatetime(moment)
            arguments: list[Any] = [len(compared)]
            for feature, value in zip(compared, wanted, strict=True):
                arguments += (fields[feature], value)
            arguments += (f"_ts:{view.name}", stamp.SerializeToString())
            for feature, value in values.items():
                arguments += (fields[feature], value.SerializeToString())
            pipe.eval(COMPARE_AND_SET, 1, name, *arguments)
        answers = pipe.execute(raise_on_error=False)
    for answer in answers:
        # Something else than a row lies there: it is not what is expected.
        if isinstance(answer, redis.RedisError) and "WRONGTYPE" not in str(answer):
            raise answer
    return [answer == 1 for answer in answers]


def _in_sqlite(
    online: Any,
    config: Any,
    view: Any,
    replacements: Sequence[Replacement],
    expected: list[list[bytes]],
    compared: Sequence[str],
) -> list[bool]:
    connection: sqlite3.Connection = online._get_conn(config)  # noqa: SLF001
    table = table_of(config, view)
    keys = entity_names(config, [one.row[0] for one in replacements])
    marks = [",".join("?" * len(some)) for some in (keys, compared)]
    connection.execute("BEGIN IMMEDIATE")  # no other process writes from here on
    try:
        found = connection.execute(
            f'SELECT entity_key, feature_name, value FROM "{table}" '  # noqa: S608
            f"WHERE entity_key IN ({marks[0]}) AND feature_name IN ({marks[1]})",
            [*keys, *compared],
        )
        stored = {(key, name): value for key, name, value in found}
        written = [
            [stored.get((key, name), b"") for name in compared] == wanted
            for key, wanted in zip(keys, expected, strict=True)
        ]
        rows = [one.row for one, agreed in zip(replacements, written, strict=True) if agreed]
        online.online_write_batch(config, view, rows, None)  # and commits
    except BaseException:
        connection.rollback()
        raise
    return written
