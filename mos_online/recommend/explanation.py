"""Why a user got these items: the themes that had a say, and items that are often clicked together with these."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mos_online.model.batch import History
from mos_online.model.co_clicks import Evidence
from mos_online.recommend.query import ThemeShare

MAIN = 0.5
"""More than this share of an item's chance is the main reason for it."""


def theme_shares(gates: Tensor, history: History, labels: Sequence[str]) -> list[ThemeShare]:
    """The themes with an open gate, largest share first.

    Args:
        gates: float32 (K + 1,), the weight of each theme's expert for this user; index 0 is not used.
        history: what the model read of the user.
        labels: of the themes, K + 1.
    """
    open_gates = gates[1:].tolist()
    total = sum(open_gates)
    shares = [
        ThemeShare(theme=theme, label=labels[theme], share=gate / total, sessions=history.theme_sessions.get(theme, 0))
        for theme, gate in enumerate(open_gates, 1)
        if gate > 0
    ]
    return sorted(shares, key=lambda share: -share.share)


def clicked_together(evidence: Evidence, user: int, rows: Sequence[int], of_neighbours: Tensor) -> list[int]:
    """For each recommended item the item of the user's history that brought it, where neighbours were the main reason.

    Args:
        evidence: of the batch.
        user: which user of it.
        rows: of the items that are recommended.
        of_neighbours: float32 (items,), the share of their chance that neighbours make up.

    Returns:
        Rows of items of the history, 0 where neighbours were not.
    """
    reasons = (of_neighbours > MAIN).tolist()
    if not any(reasons):
        return [0] * len(rows)
    own = (evidence.rows == user).nonzero().squeeze(1)
    chances = (evidence.items[own] == torch.tensor(rows).unsqueeze(1)) * evidence.chances[own]
    strongest = evidence.asked[own][chances.argmax(1)].tolist()
    return [item if is_reason else 0 for item, is_reason in zip(strongest, reasons, strict=True)]
