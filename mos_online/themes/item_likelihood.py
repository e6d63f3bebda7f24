"""How well the themes of sessions tell the items of the newest ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mos_online.arrays import Floats, Ints
from mos_online.themes.visits import Visit

SMOOTHING = 50.0
"""Weight of the items' shares over all themes in those of one theme, in clicks."""


def newest(count: int) -> int:
    """How many of so many sessions, oldest first, are the newest tenth."""
    return max(1, count // 10) if count > 1 else 0


def likelihoods(themes: Ints, visits: Sequence[Visit], n_themes: int) -> Floats:
    """Mean log p(item | theme of its session) of each of the newest tenth of the sessions, float64 (n,).

    p is counted over the older sessions, smoothed by the items' shares over all themes. It does not look at
    directions: cosines grow when the rows of a router contract, and would praise just that.

    Args:
        themes: of each session, 0..K.
        visits: the sessions, oldest first; none of them is empty.
        n_themes: K.
    """
    held_out = newest(len(visits))
    place: dict[str, int] = {}
    items = np.array([place.setdefault(item, len(place)) for visit in visits for item in visit.items], np.int64)
    lengths = np.array([len(visit.items) for visit in visits], np.int64)
    of = np.repeat(themes, lengths)
    older = int(lengths[: len(visits) - held_out].sum())
    width = len(place)
    counts = np.bincount(of[:older] * width + items[:older], minlength=(n_themes + 1) * width)
    counts = counts.reshape(n_themes + 1, width)
    overall = (counts.sum(0) + 1.0) / (older + width)
    shares = (counts + SMOOTHING * overall) / (counts.sum(1, keepdims=True) + SMOOTHING)
    logs = np.log(shares[of[older:], items[older:]])
    if not held_out:
        return np.zeros(0)
    sizes = lengths[len(visits) - held_out :]
    found: Floats = np.add.reduceat(logs, np.cumsum([0, *sizes[:-1]])) / sizes
    return found
