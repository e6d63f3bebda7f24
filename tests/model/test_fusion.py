"""u_x against its formula, expert by expert; one fusion whether the backbone reads the candidate or not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from evaluation.rivals.mos_variants import RecurrentExperts, ResidualFusion
from mos_online.model import BACKBONES, Backbone, Batch, History, MoS, MoSConfig, collate
from mos_online.model.backbones import AttentivePooling, GRU4Rec
from mos_online.model.config import REALTIME_FEATURES
from mos_online.model.mos import MOST_OPEN

ITEMS, THEMES = 12, 3
CONFIG = MoSConfig(backbone="plain", items=ITEMS, themes=THEMES, width=8, recent=5, short=2, theme_ring=4)
EVERYTHING = torch.arange(1, ITEMS + 1)


class Plain(Backbone):
    """The mean of the events."""

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        mean: Tensor = (events * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return mean


class PlainAware(Plain):
    """The same, asked for every candidate."""

    target_aware = True

    def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        assert target is not None
        return super().forward(events, mask).unsqueeze(1).expand(-1, target.shape[1], -1)


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    BACKBONES.update(plain=Plain, aware=PlainAware)
    yield
    del BACKBONES["plain"], BACKBONES["aware"]


def made(kind: type[MoS] = MoS, config: MoSConfig = CONFIG) -> MoS:
    torch.manual_seed(2)
    model = kind(config).eval()
    rows = torch.arange(ITEMS + 1)
    model.set_catalogue(torch.zeros_like(rows), rows % (THEMES + 1), torch.ones(ITEMS + 1))
    with torch.no_grad():  # what starts at zero must count too
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def users() -> Batch:
    """With rings; with one event only; with a ring but no events; with nothing."""
    now = 9_000_000

    def line(items: list[int]) -> tuple[np.ndarray, np.ndarray]:
        return np.array(items, np.int64), now - 100_000 * np.arange(len(items), 0, -1, dtype=np.int64)

    lives: list[tuple[list[int], dict[int, list[int]]]] = [
        ([1, 5, 2, 9], {1: [1, 5, 9], 2: [2]}),
        ([7], {}),
        ([], {3: [3, 7]}),
        ([], {}),
    ]
    return collate(
        [
            History(
                items=line(items)[0],
                times=line(items)[1],
                now=now,
                rings={theme: line(ring) for theme, ring in rings.items()},
                theme_sessions=dict.fromkeys(rings, 2),
            )
            for items, rings in lives
        ]
    )


def by_hand(model: MoS, batch: Batch, user: int, theme: int) -> list[tuple[float, Tensor]]:
    """gamma and state of every expert that has something to read; the global one's first, with gamma 0."""
    n = int(batch.mask[user].sum())
    events = model.event_rows(batch.items[user, :n], batch.ages[user, :n]).unsqueeze(0)
    g = events[0].mean(0) if n else model.nobody
    experts = [(0.0, g)]

    def count(size: int) -> Tensor:
        return torch.tensor([math.log1p(size)])

    if n:
        last = events[:, -CONFIG.short :]
        state = model.short_expert(last, torch.ones(1, last.shape[1], dtype=torch.bool))[0]
        experts.append((model.short_gate(torch.cat([g, count(n)])).item(), state))
    for ring in range(len(batch.ring_user)):
        if batch.ring_user[ring] == user and batch.ring_theme[ring] == theme:
            r = int(batch.ring_mask[ring].sum())
            read = model.event_rows(batch.ring_items[ring, :r], batch.ring_ages[ring, :r]) + model.theme.weight[theme]
            state = model.theme_expert(read.unsqueeze(0), torch.ones(1, r, dtype=torch.bool))[0]
            overall = torch.zeros(len(batch.ring_user), CONFIG.width)
            overall[ring] = g
            gammas = model._theme_gamma(batch, model._facts(batch), overall)
            experts.append((gammas[ring].item(), state))
    return experts


def softmax(experts: list[tuple[float, Tensor]]) -> Tensor:
    weights = [math.exp(min(gamma, MOST_OPEN)) for gamma, _ in experts]
    parts = [weight * state for weight, (_, state) in zip(weights, experts, strict=True)]
    return torch.stack(parts).sum(0) / sum(weights)


def residual(experts: list[tuple[float, Tensor]]) -> Tensor:
    (_, g), *others = experts
    return torch.stack([g, *(state / (1 + math.exp(-gamma)) for gamma, state in others)]).sum(0)


@pytest.mark.parametrize(("kind", "fused"), [(MoS, softmax), (RecurrentExperts, softmax), (ResidualFusion, residual)])
@torch.inference_mode()
def test_every_user_vector_is_the_formulas(kind: type[MoS], fused: object) -> None:
    assert callable(fused)
    model, batch = made(kind), users()
    with torch.no_grad():
        model.theme_gate.bias.fill_(MOST_OPEN + 1)  # one that wants to open further than it may
    found = model.encode(batch)
    for user in range(len(batch.items)):
        for theme in range(THEMES + 1):
            expected = fused(by_hand(model, batch, user, theme))
            torch.testing.assert_close(found.themed[user, theme], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.base[user], by_hand(model, batch, user, 0)[0][1], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_nobody_is_nobody() -> None:
    model = made()
    stranger = model.encode(users()).themed[3]
    torch.testing.assert_close(stranger, model.nobody.expand_as(stranger))


@pytest.mark.parametrize("kind", [MoS, ResidualFusion, RecurrentExperts])
@torch.inference_mode()
def test_reading_the_candidate_or_not_the_fusion_is_one(kind: type[MoS]) -> None:
    whole, aware = made(kind), made(kind, replace(CONFIG, backbone="aware"))
    aware.load_state_dict(whole.state_dict())
    batch, features = users(), torch.rand(ITEMS + 1, REALTIME_FEATURES)
    candidates = EVERYTHING.expand(len(batch.items), -1)
    expected, found = (model.score_pairs(batch, candidates, features[candidates]) for model in (whole, aware))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_what_the_experts_are() -> None:
    assert isinstance(made().theme_expert, AttentivePooling)
    recurrent = made(RecurrentExperts)
    assert isinstance(recurrent.short_expert, GRU4Rec)
    assert isinstance(recurrent.theme_expert, GRU4Rec)
