"""Every model can be built, learns, scores, and has the size that it claims."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.candidates.counting import COUNTING_MODELS, count_run
from evaluation.candidates.fitted import CANDIDATE_MODELS, TOLERANCE
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentData
from evaluation.protocol.fitting import FitConfig as Budget
from evaluation.protocol.fitting import fit_run
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.scores import parameters
from evaluation.routing.routings import ROUTINGS
from mos_online.errors import ModelError
from mos_online.metrics.ctr import group_auc
from mos_online.model import MoS, MoSConfig
from mos_online.training.routing import Routing, describe_items

SIZES = Sizes(width=16, recent=12, short=4, theme_ring=6)
EQUAL = ("wide", "mmoe", "ple", "gshard", "dselect-k", "expert-choice")
CONFIG = MoSConfig(items=50, categories=5, themes=4, width=32, recent=50, short=10, theme_ring=20, table=16)


def routing_of(experiment: ExperimentData, name: str) -> Routing:
    wanted = CANDIDATE_MODELS[name].routing
    return experiment.routing if wanted == "own" else ROUTINGS[wanted](experiment, 0)


@pytest.mark.parametrize("name", sorted(CANDIDATE_MODELS))
def test_it_learns_and_scores(experiment: ExperimentData, name: str) -> None:
    torch.manual_seed(0)
    routing = routing_of(experiment, name)
    model = CANDIDATE_MODELS[name].make(SIZES.config(experiment.catalogue, "gru4rec", routing, gap_ms=1000))
    describe_items(model, experiment.catalogue, routing, experiment.known)
    log = experiment.sequences(routing)
    ready = RequestSet(experiment.train[-1:], log, model.config)
    model.train()
    loss = ready.loss(model, [0], torch.Generator().manual_seed(0))
    loss.backward()
    assert torch.isfinite(loss)
    idle = [at for at, weight in model.named_parameters() if weight.grad is None]
    unused = ("theme_expert", "theme_gate", "ring_repeat", "theme.") if not routing.event_theme.any() else ()
    assert all(at.startswith(unused) for at in idle), idle
    scores = RequestSet(experiment.test[:1], log, model.config).score(model)
    count = len(experiment.test[0].positions)
    assert scores.logits.shape == scores.themed.shape == (count, 1 + experiment.config.negatives)
    missing = experiment.test[0].negatives < 0
    assert np.array_equal(np.isnan(scores.logits[:, 1:]), missing)
    assert ((scores.ranks >= 1) & (scores.ranks <= len(experiment.catalogue.items))).all()
    assert model.item_table.any() if CANDIDATE_MODELS[name].table else model.config.table == 0, "the table is a feature"


@pytest.mark.parametrize("backbone", ["gru4rec", "pooling", "sasrec", "mamba4rec", "din", "sdim", "twin"])
def test_equal_parameters(backbone: str) -> None:
    config = replace(CONFIG, backbone=backbone)
    wanted = parameters(MoS(config))
    fitting = 0
    for name in EQUAL:
        try:
            count = parameters(CANDIDATE_MODELS[name].make(config))
        except ModelError:  # no width fits
            continue
        fitting += 1
        assert abs(count - wanted) <= TOLERANCE * wanted, name
    assert fitting >= 4
    full = parameters(CANDIDATE_MODELS["mmoe-full"].make(config))
    baseline = parameters(CANDIDATE_MODELS["backbone+table"].make(config))
    assert full > baseline


@pytest.mark.parametrize("name", ["backbone+table", "mos"])
@pytest.mark.parametrize("backbone", ["gru4rec", "din"])
def test_fitting_beats_chance(experiment: ExperimentData, name: str, backbone: str) -> None:
    budget = Budget(epochs=4, patience=2, rates=(1e-2,))
    config = SIZES.config(experiment.catalogue, backbone, experiment.routing, gap_ms=1000)
    run, mixed = fit_run(
        lambda: CANDIDATE_MODELS[name].make(config), experiment, experiment.routing, config=budget, rate=1e-2, seed=0
    )
    assert mixed is None
    kept = np.isfinite(run.scores.logits).all(1)
    assert group_auc(run.scores.logits[kept]).mean() > 0.6
    assert run.validation is not None
    chance = 0.05 if backbone == "gru4rec" else 0.5  # ten of 60 items are listed: NDCG is below 0.1 by chance
    assert run.validation > 1.2 * chance
    assert run.scores.ranks.any() == (backbone == "gru4rec")


def test_those_who_count_rank_what_they_saw(experiment: ExperimentData) -> None:
    for name, make in COUNTING_MODELS.items():
        scores = count_run(make, experiment).scores
        kept = np.isfinite(scores.logits).all(1)
        assert kept.mean() > 0.9, name
        hits = (scores.ranks > 0) & (scores.ranks <= 10)
        chance = 10 / len(experiment.catalogue.items)
        assert hits.mean() > (0.7 if name == "popularity" else 1.0) * chance, name  # themes are equally popular
        assert name == "popularity" or group_auc(scores.logits[kept]).mean() > 0.6, name


@pytest.mark.parametrize("name", COUNTING_MODELS)
def test_those_who_count_leave_out_what_a_user_had_only_where_that_is_better(
    experiment: ExperimentData, name: str
) -> None:
    model, had = COUNTING_MODELS[name](experiment), defaultdict[str, set[str]](set)
    for _, click in experiment.replay():
        model.observe(click)
        had[click.user_id].add(click.item_id)
    user = max(had, key=lambda one: len(had[one]))
    model.repeats = True
    assert had[user] & set(model.top(user))
    model.repeats = False
    assert not had[user] & set(model.top(user))
