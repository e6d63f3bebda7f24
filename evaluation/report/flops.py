"""Floating point operations of a model, counted while it runs: two per multiply-add, matrix products only."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.protocol.scores import parameters
from evaluation.rivals.mixtures import GShard
from evaluation.rivals.monolith import Monolith
from mos_online.arrays import Ints
from mos_online.errors import ModelError
from mos_online.model import History, MoSConfig, SequenceModel, collate
from mos_online.model.backbone import build_backbone
from mos_online.model.config import REALTIME_FEATURES

MINUTE, DAY = 60_000, 86_400_000
"""Between two events of a session, and between two sessions (ms)."""


def history(model: SequenceModel, *, themes: int) -> History:
    """A user whose recent events are all there, in sessions of five, with full rings of the themes 1..``themes``."""
    config = model.config
    rng = np.random.default_rng(0)

    def events(count: int) -> tuple[Ints, Ints]:
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
    features = torch.zeros(model.config.items + 1, REALTIME_FEATURES)
    model.eval()
    rows = torch.arange(1, candidates + 1) % model.config.items + 1
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernel has no formula: it would count as nothing
    try:
        with FlopCounterMode(display=False) as counter:
            if model.target_aware:
                model.score_pairs(batch, rows.unsqueeze(0), features[rows].unsqueeze(0))
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


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Operations to score one candidate, and a hundred of all themes, with what can be shared computed once."""

    model: str
    parameters: int
    one: int
    hundred: int


COMPARED = (
    "backbone+table", "mos", "short", "long", "wide", "comirec", "hrnn", "dsin", "mmoe", "ple", "gshard", "dselect-k",
    "expert-choice", "mmoe-full", "ple-full", "gshard-full", "dselect-k-full",
)  # fmt: skip


def costs(backbone: str, *, themes: int = 8) -> list[Cost]:
    """On one backbone, with 100 recent events, 10 short-term ones, rings of 20 and d = 32; the baseline first.

    Mixtures are executed whole; the last row is top-2 gating with only the two activated experts.
    """
    config = MoSConfig(backbone=backbone, items=1000, themes=themes, width=32, recent=100, table=16)
    rows = []
    for name in COMPARED:
        try:
            rows.append(_cost(name, CANDIDATE_MODELS[name].make(config), themes if name == "mos" else 0))
        except ModelError:  # no width fits
            continue
    two = Monolith(config, lambda: GShard(lambda: build_backbone(backbone, 32, 100), 32, experts=2))
    return [*rows, _cost("gshard-full, activated", two, 0)]


def _cost(name: str, model: SequenceModel, themes: int) -> Cost:
    model.item_theme[1:] = torch.arange(model.config.items) % model.config.themes + 1
    model.item_theme[2] = 1  # the one candidate
    one, hundred = (flops(model, candidates=c, themes=t) for c, t in ((1, min(themes, 1)), (100, themes)))
    return Cost(model=name, parameters=parameters(model), one=one, hundred=hundred)
