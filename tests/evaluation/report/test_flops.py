"""The counter of operations against formulas by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.report.flops import costs, flops, gru
from mos_online.model import MoS, MoSConfig

D, TABLE = 32, 16
CONFIG = MoSConfig(backbone="gru4rec", items=200, themes=4, width=D, recent=100, table=TABLE)


def read_events(count: int) -> int:
    """A GRU over so many events, whose routing vectors are projected: multiply-adds count twice."""
    return gru(D, count) + 2 * TABLE * D * count


def pool_events(count: int) -> int:
    """Attentive pooling: to 2 d and to one weight per event, then the weighted mean."""
    return (2 * (2 * D * D + 2 * D + D) + 2 * TABLE * D) * count


def test_a_gru_costs_its_matrix_products() -> None:
    longer, shorter = (
        flops(CANDIDATE_MODELS["backbone+table"].make(replace(CONFIG, recent=recent)), candidates=1, themes=0)
        for recent in (100, 40)
    )
    assert longer - shorter == read_events(60)


@pytest.mark.parametrize("themes", [1, 3])
def test_a_ring_costs_its_events_and_its_gate(themes: int) -> None:
    model = MoS(CONFIG)
    more = flops(model, candidates=1, themes=themes) - flops(model, candidates=1, themes=0)
    gate = 2 * (2 * D + 6)
    assert more == themes * (pool_events(20) + gate)


def test_every_expert_of_a_mixture_costs_as_much_as_one() -> None:
    backbone = flops(CANDIDATE_MODELS["backbone+table"].make(CONFIG), candidates=1, themes=0)
    mixture = flops(CANDIDATE_MODELS["mmoe-full"].make(CONFIG), candidates=1, themes=0)
    gate = 2 * (2 * D) * 4
    assert mixture - backbone == 3 * gru(D, 100) + gate


@pytest.mark.parametrize(
    ("backbone", "of_backbone", "of_mixture"),
    [("gru4rec", 1.2, 0.4), ("pooling", 1.5, 0.4), ("sasrec", 1.2, 0.4), ("din", 1.5, 0.5), ("twin", 1.5, 0.4)],
)
def test_mos_is_cheaper_than_a_dense_mixture(backbone: str, of_backbone: float, of_mixture: float) -> None:
    cost = {one.model: one for one in costs(backbone)}
    assert cost["mos"].one <= of_backbone * cost["backbone+table"].one
    assert cost["mos"].one <= of_mixture * cost["mmoe-full"].one
    assert cost["backbone+table"].one <= cost["backbone+table"].hundred
