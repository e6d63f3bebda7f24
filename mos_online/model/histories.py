"""What MoS reads of users, as tensors: the same for training examples and for requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

AGE_BUCKETS = 32
"""Ages of events in powers of two of a second: bucket 0 is below 1 s, 30 is 17 to 34 years."""

GATE_FEATURES = 4
"""Of a theme's gate: log(1 + sessions), share of the user's sessions, age of its newest event, cosine of the user's
last session to its prototype."""


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Histories of B users; M is the number of their non-empty theme rings, packed without the empty ones.

    Attributes:
        items: int64 (B, T) rows of the item matrix, oldest first, padded at the end with 0.
        ages: int64 (B, T) buckets of the time between event and request.
        mask: bool (B, T), True where there is an event.
        owner, theme: int64 (M,) whose ring it is (0..B-1), and of which theme (1..K).
        theme_items, theme_ages, theme_mask: (M, n) as above.
        gates: float32 (M, GATE_FEATURES).
    """

    items: Tensor
    ages: Tensor
    mask: Tensor
    owner: Tensor
    theme: Tensor
    theme_items: Tensor
    theme_ages: Tensor
    theme_mask: Tensor
    gates: Tensor


def age_buckets(ages_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bucket of each age: 1 + floor(log2(seconds)), 0 below a second or in the future.

    >>> age_buckets(np.array([-5, 0, 999, 1000, 2000, 3_600_000])).tolist()
    [0, 0, 0, 1, 2, 12]
    """
    seconds = np.maximum(ages_ms, 0) // 1000
    _, exponent = np.frexp(seconds.astype(np.float64))  # seconds = m * 2**exponent with m in [0.5, 1)
    return np.minimum(exponent, AGE_BUCKETS - 1).astype(np.int64)


def gate_features(
    sessions: NDArray[np.float64], all_sessions: NDArray[np.float64], newest_ms: NDArray[np.int64],
    cosines: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Features of the gates of M theme rings, float32 (M, GATE_FEATURES).

    Args:
        sessions: closed sessions routed to the theme.
        all_sessions: closed sessions of its user.
        newest_ms: age of the theme's newest event (ms).
        cosines: of the user's last closed session to the theme's prototype.
    """
    columns = (
        np.log1p(sessions),
        sessions / np.maximum(all_sessions, 1),
        age_buckets(newest_ms) / 10 - 1,
        cosines,
    )
    return np.stack(columns, 1).astype(np.float32)


def padded(values: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lay out concatenated sequences as rows, padded at the end with 0: int64 (len(lengths), longest).

    >>> padded(np.array([7, 8, 9]), np.array([1, 0, 2])).tolist()
    [[7, 0], [0, 0], [8, 9]]
    """
    width = int(lengths.max()) if len(lengths) else 0
    rows = np.zeros((len(lengths), width), np.int64)
    rows[np.arange(width) < lengths[:, None]] = values
    return rows


def last(items: Tensor, ages: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The last ``count`` events of each row, again padded at the end."""
    if items.shape[1] <= count:
        return items, ages, mask
    lengths = mask.sum(1, keepdim=True)
    columns = (lengths - count).clamp(min=0) + torch.arange(count)
    return items.gather(1, columns), ages.gather(1, columns), columns < lengths
