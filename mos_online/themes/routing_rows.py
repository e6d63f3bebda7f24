"""Checks of routing rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mos_online.arrays import Floats32
from mos_online.errors import ModelError


def check_table(names: Sequence[str], table: Floats32) -> None:
    """Check that each name has one row of unit length.

    Raises:
        ModelError: names and rows do not belong together, or rows are not of unit length.
    """
    if table.ndim != 2 or len(table) != len(names) or len(set(names)) != len(names):
        raise ModelError(
            f"a routing table of shape {table.shape} for {len(names)} names, {len(set(names))} of them distinct; "
            f"give each item one row: (items, dimensions)"
        )
    lengths = np.linalg.norm(table, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):
        raise ModelError(
            f"routing rows have lengths from {lengths.min():.3g} to {lengths.max():.3g}, must be 1; divide each row by "
            f"its norm and leave out rows without a direction"
        )
