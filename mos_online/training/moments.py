"""The log in chunks of time: targets that share one view of what was popular, as replicas do in service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mos_online.contracts import Click
from mos_online.items.popularity import ItemPopularity, PopularitySnapshot

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Targets of a short span of time, and the popularity at its start.

    Attributes:
        targets: int64 (B,), positions in the ``SequenceLog``.
        popularity: popularity before the first of them.
    """

    targets: Ints
    popularity: PopularitySnapshot


def moments(clicks: list[Click], at: Ints, *, first: int, size: int, half_life_ms: float, top: int) -> Iterator[Moment]:
    """Walk through the log in time and cut it into moments.

    Args:
        clicks: the log in order of time.
        at: int64 (n,), position of each click in the ``SequenceLog``.
        first: the first click that is a target; those before it only warm the counts up.
        size: targets of a moment.
        half_life_ms, top: of the popularity.
    """
    counts = ItemPopularity(half_life_ms=half_life_ms, partition=-1)
    for click in clicks[:first]:
        counts.observe(click)
    for begin in range(first, len(clicks), size):
        end = min(begin + size, len(clicks))
        yield Moment(targets=at[begin:end], popularity=counts.snapshot(top=top))
        for click in clicks[begin:end]:
            counts.observe(click)
