"""Every contestant can be built, learns, scores, and has the size that it claims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.protocol.candidates import CONTESTANTS, TOLERANCE, Sizes
from evaluation.protocol.data import Routing, Trial
from evaluation.protocol.run import FitConfig as Budget
from evaluation.protocol.run import Ready, fit_cell, parameters, prepare
from evaluation.rivals.counting import COUNTING, count_cell
from evaluation.routing.routings import ROUTINGS
from mos_online.errors import ModelError
from mos_online.metrics.ctr import group_auc
from mos_online.model import MoS, MoSConfig
from mos_online.training.log import SequenceLog

SIZES = Sizes(width=16, recent=12, short=4, theme_ring=6)
EQUAL = ("wide", "mmoe", "ple", "gshard", "dselect-k", "expert-choice")
CONFIG = MoSConfig(items=50, categories=5, themes=4, width=32, recent=50, short=10, theme_ring=20, table=16)


def routing_of(trial: Trial, name: str) -> Routing:
    wanted = CONTESTANTS[name].routing
    return trial.routing if wanted == "own" else ROUTINGS[wanted](trial, 0)


@pytest.mark.parametrize("name", sorted(CONTESTANTS))
def test_it_learns_and_scores(trial: Trial, name: str) -> None:
    torch.manual_seed(0)
    routing = routing_of(trial, name)
    model = CONTESTANTS[name].make(SIZES.config(trial, "gru4rec", routing))
    prepare(model, trial, routing)
    log = SequenceLog(trial.frame, trial.catalogue, routing.event_theme, routing.themes)
    ready = Ready(trial.train[-1:], log, model.config)
    model.train()
    loss = ready.loss(model, 0, torch.Generator().manual_seed(0))
    loss.backward()
    assert torch.isfinite(loss)
    idle = [at for at, weight in model.named_parameters() if weight.grad is None]
    unused = ("theme_expert", "theme_gate", "ring_repeat", "theme.") if not routing.event_theme.any() else ()
    assert all(at.startswith(unused) for at in idle), idle
    scores = Ready(trial.test[:1], log, model.config).score(model)
    count = len(trial.test[0].positions)
    assert scores.logits.shape == scores.themed.shape == (count, 1 + trial.config.negatives)
    missing = trial.test[0].negatives < 0
    assert np.array_equal(np.isnan(scores.logits[:, 1:]), missing)
    assert ((scores.ranks >= 1) & (scores.ranks <= len(trial.catalogue.items))).all()
    assert model.item_table.any() if CONTESTANTS[name].table else model.config.table == 0, "the table is a feature"


@pytest.mark.parametrize("backbone", ["gru4rec", "pooling", "sasrec", "mamba4rec", "din", "sdim", "twin"])
def test_equal_parameters(backbone: str) -> None:
    config = replace(CONFIG, backbone=backbone)
    wanted = parameters(MoS(config))
    fitting = 0
    for name in EQUAL:
        try:
            count = parameters(CONTESTANTS[name].make(config))
        except ModelError:  # no width fits
            continue
        fitting += 1
        assert abs(count - wanted) <= TOLERANCE * wanted, name
    assert fitting >= 4
    full = parameters(CONTESTANTS["mmoe-full"].make(config))
    baseline = parameters(CONTESTANTS["backbone+table"].make(config))
    assert full > baseline


@pytest.mark.parametrize("name", ["backbone+table", "mos"])
@pytest.mark.parametrize("backbone", ["gru4rec", "din"])
def test_fitting_beats_chance(trial: Trial, name: str, backbone: str) -> None:
    budget = Budget(epochs=4, patience=2, rates=(1e-2,))
    config = SIZES.config(trial, backbone, trial.routing)
    cell = fit_cell(lambda: CONTESTANTS[name].make(config), trial, trial.routing, config=budget, rate=1e-2, seed=0)
    kept = np.isfinite(cell.scores.logits).all(1)
    assert group_auc(cell.scores.logits[kept]).mean() > 0.6
    assert cell.validation is not None
    assert cell.validation > 0.6
    assert cell.scores.ranks.any() == (backbone == "gru4rec")


def test_those_who_count_rank_what_they_saw(trial: Trial) -> None:
    for name, make in COUNTING.items():
        scores = count_cell(make, trial).scores
        kept = np.isfinite(scores.logits).all(1)
        assert kept.mean() > 0.9, name
        hits = (scores.ranks > 0) & (scores.ranks <= 10)
        assert hits.mean() > 10 / len(trial.catalogue.items), name
        assert name == "popularity" or group_auc(scores.logits[kept]).mean() > 0.6, name
