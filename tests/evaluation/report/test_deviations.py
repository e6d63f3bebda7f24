"""Every compared model says how it differs from its source."""

from __future__ import annotations

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.report.deviations import DEVIATIONS, deviations
from evaluation.static.plan import RIVALS, full
from mos_online.model import BACKBONES

WITHOUT_A_SOURCE = {"popularity", "wide", "long", "short"}
"""Popularity, and forms of the backbone and of MoS."""


def test_every_backbone_and_compared_model_has_a_row() -> None:
    named = {name for one in DEVIATIONS for name in one.names}
    planned = {task.backbone for task in full().tasks} - {"counting"}
    wanted = {*BACKBONES, *planned, *RIVALS, *COUNTING_MODELS, "hrnn", "dsin", "mos"} - WITHOUT_A_SOURCE
    assert wanted <= named
    assert all(f"| {', '.join(one.names)} | {one.source} |" in "\n".join(deviations()) for one in DEVIATIONS)
