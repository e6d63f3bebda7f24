"""Slices of the test requests, by what is true of them whatever the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

INSIDE, SAME, RETURNING, NEW = range(4)
"""Kinds of position: inside a session; at its start, with a target of the last session's theme, of an earlier one's, or
of a theme that the user never had. Unrouted targets at a start count as NEW."""

Mask = NDArray[np.bool_]


def slices(facts: dict[str, NDArray[np.generic]]) -> dict[str, Mask]:
    """Requests by history, hop rate, place in the session and age of the target."""
    history, hop = facts["history"].astype(np.float64), facts["hop_rate"].astype(np.float64)
    low, high = np.nanquantile(hop, (1 / 3, 2 / 3)) if np.isfinite(hop).any() else (np.nan, np.nan)
    return {
        "history 5-9": history < 10,
        "history 10-19": (history >= 10) & (history < 20),
        "history 20-49": (history >= 20) & (history < 50),
        "history 50 and more": history >= 50,
        f"hop rate up to {low:.2f}": hop <= low,
        f"hop rate to {high:.2f}": (hop > low) & (hop <= high),
        "hop rate above": hop > high,
        "inside a session": facts["kind"] == INSIDE,
        "first of a returning theme": facts["kind"] == RETURNING,
        "cold item": facts["cold"].astype(bool),
    }
