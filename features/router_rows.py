"""Rows of `routers`, the revision of the router that each arm is served with, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from features.decoding import RowDecoder
from features.fast_weights import arm_key
from features.feast_rows import FeastRows
from features.rows import Row, Value, Values, moment
from mos_online.contracts import RouterUpdate, decode_router_update, encode
from mos_online.errors import ContractError, StoreError

STAMP = ("epoch", "sequence")
"""Features that tell whether another revision is there; they are read often, and the others are large."""


class RouterRows:
    """The row of each arm, of one store. All methods raise `StoreError` if the store cannot be used."""

    def __init__(self, rows: FeastRows, view: Any, decoder: RowDecoder) -> None:
        self._rows, self._view, self._decoder = rows, view, decoder

    def write(self, update: RouterUpdate) -> None:
        """Replace the revision of the update's arm, whatever is there: only the learner of the arm writes it."""
        self._rows.put(self._view, [router_row(update)])

    def delete(self, arms: Sequence[str]) -> None:
        """Delete the rows of arms that nobody reads any more; nothing happens where there is none."""
        self._rows.delete(self._view, [arm_key(arm) for arm in arms])

    def stamps(self, arms: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Epoch and sequence of the revision of each arm that has one that can be read. It is cheap."""
        rows = self._rows.read(self._view, [arm_key(arm) for arm in arms], STAMP)
        found = {
            arm: self._decoder.decoded(row, stamp_of, None, f"router of {arm}")
            for arm, row in zip(arms, rows, strict=True)
        }
        return {arm: stamp for arm, stamp in found.items() if stamp is not None}

    def read(self, arm: str) -> RouterUpdate | None:
        """The revision of an arm; None if there is none that can be read."""
        (row,) = self._rows.read(self._view, [arm_key(arm)])
        return self._decoder.decoded(row, update_in, None, f"router of {arm}")


def router_row(update: RouterUpdate) -> Row:
    """A row of `routers`."""
    values = {
        "epoch": Value(string_val=update.epoch),
        "sequence": Value(int64_val=update.sequence),
        "router_version": Value(string_val=update.version),
        "update": Value(bytes_val=encode(update)),
    }
    return arm_key(update.arm), values, moment(update.effective_from), None


def stamp_of(values: Values) -> tuple[str, int]:
    """Epoch and sequence of a row.

    Raises:
        StoreError: the row was not written by this version.
    """
    try:
        return values["epoch"].string_val, values["sequence"].int64_val
    except KeyError as error:
        raise StoreError(f"the row of the router has no feature {error}") from None


def update_in(values: Values) -> RouterUpdate:
    """The revision that `router_row` wrote.

    Raises:
        StoreError: the row was not written by this version.
    """
    try:
        return decode_router_update(values["update"].bytes_val)
    except (KeyError, ContractError) as error:
        raise StoreError(f"the row of the router in the online store is of no use: {error}") from None
