"""Rows of `item_co_clicks`, and back."""

from __future__ import annotations

from features.rows import Row, Value, Values, moment, partition_key
from mos_online.errors import StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot


def co_click_row(snapshot: CoClickSnapshot) -> Row:
    """A row of `item_co_clicks`."""
    values = {
        "as_of": Value(int64_val=snapshot.as_of),
        "item_ids": Value(string_list_val={"val": snapshot.item_ids}),
        "lengths": Value(bytes_val=snapshot.lengths),
        "neighbours": Value(bytes_val=snapshot.neighbours),
        "weights": Value(bytes_val=snapshot.weights),
        "log_id": Value(string_val=snapshot.log_id),
        "counted_to": Value(int64_val=snapshot.counted_to),
        "read_from": Value(int64_val=snapshot.read_from),
    }
    return partition_key(snapshot.partition), values, moment(snapshot.as_of), None


def co_clicks_of(partition: int, values: Values) -> CoClickSnapshot:
    """The snapshot that `co_click_row` wrote.

    Raises:
        StoreError: the row was not written by this version.
    """
    try:
        snapshot = CoClickSnapshot(
            partition=partition,
            as_of=values["as_of"].int64_val,
            item_ids=values["item_ids"].string_list_val.val[:],
            lengths=values["lengths"].bytes_val,
            neighbours=values["neighbours"].bytes_val,
            weights=values["weights"].bytes_val,
            log_id=values["log_id"].string_val,
            counted_to=values["counted_to"].int64_val,
            read_from=values["read_from"].int64_val,
        )
        snapshot.check()
    except KeyError as error:
        raise StoreError(f"the co-clicks of partition {partition} have no feature {error}") from None
    except ValueError as error:
        raise StoreError(f"the co-clicks of partition {partition} are damaged: {error}") from None
    return snapshot
