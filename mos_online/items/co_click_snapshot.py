"""Which items are clicked together at one moment, as stored per partition and added up by whoever ranks with it."""

from __future__ import annotations

import msgspec
import numpy as np

from mos_online.arrays import Floats32, Ints


class CoClickSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The strongest co-clicks of one partition. Those of all partitions add up.

    The columns are bytes of numbers in little endian: a list of Python numbers takes five times as long to store.

    Attributes:
        partition: the partition of the click topic that was counted, -1 for a whole log.
        as_of: newest event time counted (ms); the weights are decayed to this moment.
        item_ids: every item that is listed or is a neighbour.
        lengths: uint32 of each item, how many neighbours are listed of it.
        neighbours: uint32, their places in ``item_ids``, those of one item after those of the other.
        weights: float32, of each of them: decayed co-clicks, strongest first in each item's list, all above 0.
        log_id, counted_to: accepted clicks of the log with this name have been counted up to this position, not
            included; "" and 0 if no log has been counted.
        read_from: records of ``accepted-clicks`` from this offset on have clicks that are not counted, or that later
            ones may go with; -1 if none has been read.
    """

    partition: int
    as_of: int
    item_ids: list[str]
    lengths: bytes
    neighbours: bytes
    weights: bytes
    log_id: str = ""
    counted_to: int = 0
    read_from: int = -1

    def columns(self) -> tuple[Ints, Ints, Floats32]:
        """Lengths int64 (items,), neighbours int64 (n,) and weights float32 (n,)."""
        return (
            np.frombuffer(self.lengths, "<u4").astype(np.int64),
            np.frombuffer(self.neighbours, "<u4").astype(np.int64),
            np.frombuffer(self.weights, "<f4").astype(np.float32),
        )

    def check(self) -> None:
        """Check that the columns fit together.

        Raises:
            ValueError: they do not.
        """
        lengths, neighbours, weights = self.columns()
        found = (len(lengths), int(lengths.sum()), len(weights))
        if found != (len(self.item_ids), len(neighbours), len(neighbours)):
            raise ValueError(
                f"{len(self.item_ids)} items and {len(neighbours)} neighbours do not fit to {found[0]} lengths that "
                f"add up to {found[1]}, and {found[2]} weights"
            )
        if len(neighbours) and neighbours.max() >= len(self.item_ids):
            raise ValueError(f"neighbour {neighbours.max()} is none of the {len(self.item_ids)} items")
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError("the weights must be finite numbers above 0")


def snapshot_of(
    *, partition: int, as_of: int, item_ids: list[str], lengths: Ints, neighbours: Ints, weights: Floats32
) -> CoClickSnapshot:
    """Pack columns, as ``CoClickSnapshot.columns`` returns them."""
    return CoClickSnapshot(
        partition=partition,
        as_of=as_of,
        item_ids=item_ids,
        lengths=lengths.astype("<u4").tobytes(),
        neighbours=neighbours.astype("<u4").tobytes(),
        weights=weights.astype("<f4").tobytes(),
    )
