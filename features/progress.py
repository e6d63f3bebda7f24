"""Rows of `profile_progress`, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from features.rows import Row, Value, Values
from mos_online.errors import StoreError
from mos_online.users.progress import Progress

COMPARED_PROGRESS = ("next_offset", "missing_from", "noticed_at")
"""All features of a row: it is replaced only as a whole."""


def progress_key(partition: int) -> Any:
    """Entity key of a row of `profile_progress`."""
    return EntityKey(join_keys=["sessions_partition"], entity_values=[Value(int64_val=partition)])


def progress_row(progress: Progress) -> Row:
    """A row of `profile_progress`."""
    moment = datetime.fromtimestamp(progress.noticed_at / 1000, tz=UTC)
    return progress_key(progress.partition), progress_values(progress), moment, None


def progress_values(progress: Progress | None) -> Values:
    """The features of a row; none of them if there is no row."""
    if progress is None:
        return {}
    return {name: Value(int64_val=getattr(progress, name)) for name in COMPARED_PROGRESS}


def progress_of(partition: int, values: Values) -> Progress:
    """The progress that `progress_row` wrote.

    Raises:
        StoreError: the row was not written by this version.
    """
    try:
        return Progress(partition=partition, **{name: values[name].int64_val for name in COMPARED_PROGRESS})
    except KeyError as error:
        raise StoreError(f"the progress of partition {partition} has no feature {error}") from None
