"""Why a user got these items: the themes that had a say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mos_online.model.batch import History
from mos_online.recommend.query import ThemeShare


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
