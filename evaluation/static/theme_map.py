"""A picture of the themes: prototypes on a circle, items between them."""

from __future__ import annotations

import numpy as np

from mos_online.arrays import Floats32

SHARPNESS = 6.0
"""Factor in the softmax over cosines. An item of one theme lies near the rim, one of all themes at the centre."""


def theme_map(rows: Floats32, prototypes: Floats32) -> tuple[Floats32, Floats32]:
    """Lay out items by their likeness to each theme (RadViz; Hoffman et al. 1997, with softmax weights).

    Neighbours on the circle are alike: themes are ordered by their angle on the plane of their two main directions.

    Args:
        rows: float32 (n, d_r), unit routing vectors.
        prototypes: float32 (K, d_r), unit.

    Returns:
        float32 (n, 2) places of the items inside the unit circle, and (K, 2) of the themes on it.

    >>> items, themes = theme_map(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
    >>> bool((np.linalg.norm(themes, axis=1).round(3) == 1).all()), bool((np.linalg.norm(items, axis=1) > 0.9).all())
    (True, True)
    """
    centred = prototypes - prototypes.mean(0)
    plane = np.linalg.svd(centred, full_matrices=False)[2][:2]
    across = centred @ plane.T
    order = np.argsort(np.arctan2(across[:, -1], across[:, 0]), kind="stable")
    angle = np.empty(len(prototypes))
    angle[order] = 2 * np.pi * np.arange(len(prototypes)) / len(prototypes)
    themes = np.stack([np.cos(angle), np.sin(angle)], 1)
    pull = np.exp(SHARPNESS * (rows @ prototypes.T - 1.0))
    items = (pull / pull.sum(1, keepdims=True)) @ themes
    return items.astype(np.float32), themes.astype(np.float32)
