"""What is popular at each place of a session: what sessions begin with is not what comes later in them."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from mos_online.arrays import Floats
from mos_online.items.snapshot import PopularitySnapshot

FEW = 50.0
"""So many clicks are added to those at each place, spread as all clicks are: few say little."""


class Place(IntEnum):
    """Which clicks are meant: all, those inside sessions, or those that begin one."""

    ANYWHERE = 0
    INSIDE = 1
    START = 2


def clicks_at(popularity: PopularitySnapshot) -> Floats:
    """The decayed clicks on all items at each place, by both half-lives, float64 (3, 2)."""
    anywhere = np.array([popularity.total, popularity.slow_total])
    starts = np.array([popularity.start_total, popularity.slow_start_total])
    return np.stack([anywhere, (anywhere - starts).clip(min=0), starts])


def shares_at(popularity: PopularitySnapshot) -> Floats:
    """The share of each listed item in the clicks at each place, by both half-lives, float64 (3, n, 2).

    Where a place has few clicks, its shares are like those of all.
    """
    anywhere = np.array([popularity.counts, popularity.slow_counts]).T
    starts = np.array([popularity.start_counts, popularity.slow_start_counts]).T
    of_all, inside, at_start = clicks_at(popularity)
    shares = anywhere / np.maximum(of_all, 1e-9)
    return np.stack(
        [
            shares,
            ((anywhere - starts).clip(min=0) + FEW * shares) / (inside + FEW),
            (starts + FEW * shares) / (at_start + FEW),
        ]
    )
