"""Live features of items: what is true of an item at this minute, whatever the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIVE_FEATURES = 6

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Activity of N items at one moment.

    Attributes:
        counts: float64 (N,) decayed clicks.
        first_seen: int64 (N,) ms since epoch; meaningless where nothing was ever seen.
        categories: int64 (N,) category rows, 0 where unknown.
        now: ms since epoch.
    """

    counts: NDArray[np.float64]
    first_seen: NDArray[np.int64]
    categories: NDArray[np.int64]
    now: int


ACTIVE=1e-3
H=1
def set_h(h):
    global H, LIVE_FEATURES
    H=h
def n_live(): return 4*H+2
def live_features(activity):
    cs=activity.counts
    hours = np.maximum(activity.now - activity.first_seen, 0) / 3_600_000
    cols=[]
    for counts in cs:
        total = counts.sum() + 1e-9
        by = np.bincount(activity.categories, weights=counts, minlength=1)
        category = by[activity.categories]
        cols+=[np.log1p(counts)*.5, _log_share(counts,total)*.4+2.5, _log_share(counts,category)*.4+1, _log_share(category,total)*.4+1.5]
    cols+=[cs[-1]>ACTIVE, np.log1p(hours)*.4-1.5]
    return np.stack(cols,1).astype(np.float32)
_FLOOR = 1e-5
def _log_share(part, whole):
    return np.log((part + 1e-12) / (whole + 1e-9) + _FLOOR)
