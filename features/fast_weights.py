"""Rows of `fast_weights`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from features.decoding import RowDecoder
from features.feast_rows import FeastRows
from features.rows import Row, Value, Values, moment
from mos_online.errors import StoreError
from mos_online.learning.fast_weights import FastWeights


class FastWeightsRows:
    """The row of each arm, of one store."""

    def __init__(self, rows: FeastRows, view: Any, decoder: RowDecoder) -> None:
        self._rows, self._view, self._decoder = rows, view, decoder

    def write(self, weights: FastWeights) -> None:
        """Replace the fast weights of an arm, whatever is there.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._rows.put(self._view, [fast_weights_row(weights)])

    def delete(self, arms: Sequence[str]) -> None:
        """Delete the rows of arms that nobody reads any more; nothing happens where there is none.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._rows.delete(self._view, [arm_key(arm) for arm in arms])

    def read(self, arms: Sequence[str]) -> dict[str, FastWeights]:
        """The fast weights of each arm that has some; those that cannot be read are logged.

        Raises:
            StoreError: the store cannot be reached.
        """
        rows = self._rows.read(self._view, [arm_key(arm) for arm in arms])
        found = {
            arm: self._decoder.decoded(row, partial(fast_weights_of, arm), None, f"fast weights of {arm}")
            for arm, row in zip(arms, rows, strict=True)
        }
        return {arm: weights for arm, weights in found.items() if weights is not None}


def arm_key(arm: str) -> Any:
    """Entity key of a row of `fast_weights`."""
    return EntityKey(join_keys=["arm"], entity_values=[Value(string_val=arm)])


def fast_weights_row(weights: FastWeights) -> Row:
    """A row of `fast_weights`."""
    values = {"as_of": Value(int64_val=weights.as_of), "weights": Value(bytes_val=weights.encoded())}
    return arm_key(weights.arm), values, moment(weights.as_of), None


def fast_weights_of(arm: str, values: Values) -> FastWeights:
    """The weights that `fast_weights_row` wrote.

    Raises:
        StoreError: the row was not written by this version, or is that of another arm.
    """
    try:
        weights = FastWeights.decode(values["weights"].bytes_val)
    except KeyError as error:
        raise StoreError(f"the fast weights of arm {arm} have no feature {error}") from None
    except msgspec.DecodeError as error:
        raise StoreError(f"the fast weights of arm {arm} are damaged: {error}") from None
    if weights.arm != arm:
        raise StoreError(f"the fast weights of arm {arm} are those of {weights.arm}")
    return weights
