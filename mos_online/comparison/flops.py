"""Floating point operations of a model, counted while it runs: two per multiply-add, matrix products only."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from mos_online.model import History, SequenceModel, collate
from mos_online.model.config import LIVE_FEATURES

MINUTE, DAY = 60_000, 86_400_000
"""Between two events of a session, and between two sessions (ms)."""


def history(model: SequenceModel, *, themes: int) -> History:
    """A user whose recent events are all there, in sessions of five, with full rings of the themes 1..``themes``."""
    config = model.config
    rng = np.random.default_rng(0)

    def events(count: int) -> tuple[np.typing.NDArray[np.int64], np.typing.NDArray[np.int64]]:
        number = np.arange(count)
        return rng.integers(1, config.items + 1, count), DAY * (number // 5) + MINUTE * (number % 5)

    items, times = events(config.recent)
    rings = {theme: events(config.theme_ring) for theme in range(1, themes + 1)}
    return History(
        items=items,
        times=times,
        now=DAY * config.recent,
        rings=rings,
        theme_sessions=dict.fromkeys(range(1, themes + 1), 1),
    )


@torch.no_grad()
def flops(model: SequenceModel, *, candidates: int, themes: int) -> int:
    """Operations to score so many candidates of one user.

    Element-wise work, softmax, look-ups and sorting are not counted, nor is the recurrence of a state space model:
    report wall time beside them.

    Args:
        model: in any state.
        candidates: C.
        themes: themes among the candidates, whose rings must be read; others are left alone.
    """
    batch = collate([history(model, themes=themes)])
    features = torch.zeros(model.config.items + 1, LIVE_FEATURES)
    model.eval()
    rows = torch.arange(1, candidates + 1) % model.config.items + 1
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernel has no formula: it would count as nothing
    try:
        with FlopCounterMode(display=False) as counter:
            if model.target_aware:
                model.score_pairs(batch, rows.unsqueeze(0), features)
            else:
                model.score(model.encode(batch), rows, features[rows])
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.get_total_flops())


def gru(width: int, events: int) -> int:
    """A GRU by hand: per event, six products of d x d (Cho et al. 2014), two operations each.

    >>> gru(32, 100)
    1228800
    """
    return 2 * 6 * width * width * events
