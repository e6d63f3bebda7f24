"""Kinds of positions in which a candidate must not be worse, whatever it gains on the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Ints
from mos_online.training.click_log import ClickLog

NEW_ITEMS = "new items"
"""Clicks on items that the champion does not know. They are chosen by their target, and a model that puts all new items
above all old ones would rank them high for nothing. So they are ranked among new items only."""


def slices_of(log: ClickLog, themes: Ints, items: Ints, positions: Ints, *, known: int) -> dict[str, NDArray[np.bool_]]:
    """Which positions are of which kind.

    Args:
        log: the events.
        themes: int64 (n,), theme 0..K of each position's session.
        items: int64 (n,), the catalogue row of each position.
        positions: int64 (p,), those that are judged.
        known: rows up to here are the champion's; later ones are of new items.

    Returns:
        bool (p,) by name: "same theme" and "returning theme" (of the session before, and of an earlier one), "new
        items", and "first sessions".
    """
    same = np.zeros(len(themes), np.bool_)
    returning = np.zeros(len(themes), np.bool_)
    first = np.zeros(len(themes), np.bool_)
    starts = np.flatnonzero(np.diff(log.sessions, prepend=-1))
    ends = [*starts[1:].tolist(), len(themes)]
    user, visited, before = -1, set[int](), -1
    for begin, end in zip(starts.tolist(), ends, strict=True):
        if log.users[begin] != user:
            user, visited, before = int(log.users[begin]), set(), -1
        theme = int(themes[begin])
        same[begin:end] = theme == before
        returning[begin:end] = theme != before and theme in visited
        first[begin:end] = before < 0
        visited.add(theme)
        before = theme
    return {
        "same theme": same[positions],
        "returning theme": returning[positions],
        "first sessions": first[positions],
        NEW_ITEMS: items[positions] > known,
    }
