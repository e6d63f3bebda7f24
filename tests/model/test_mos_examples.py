"""Backbones keep their contract, gates start closed, and a theme's ring moves its own theme only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mos_online.errors import ModelError
from mos_online.model import BACKBONES, History, MoS, MoSConfig, collate, realtime_features
from mos_online.model.backbone import build_backbone
from mos_online.model.repeats import FASTER

ITEMS, THEMES = 30, 3


@pytest.fixture(params=sorted(name for name, cls in BACKBONES.items() if not cls.target_aware))
def encoder(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_backbone(request.param, 8, 6).eval()


def test_padding_and_neighbours_do_not_matter(encoder: torch.nn.Module) -> None:
    events = torch.randn(3, 6, 8)
    mask = torch.arange(6) < torch.tensor([[4], [6], [0]])
    out = encoder(events, mask)
    assert out.shape == (3, 8)
    assert torch.equal(out[2], torch.zeros(8))
    torch.testing.assert_close(encoder(torch.where(mask.unsqueeze(2), events, 99.0), mask), out)
    torch.testing.assert_close(encoder(events[:1, :4], mask[:1, :4]), out[:1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(encoder(events.flip(1), mask)[1], out[1])  # order matters


def test_no_events_at_all(encoder: torch.nn.Module) -> None:
    out = encoder(torch.zeros(2, 0, 8), torch.zeros(2, 0, dtype=torch.bool))
    assert torch.equal(out, torch.zeros(2, 8))


def test_unknown_backbone_lists_the_known() -> None:
    with pytest.raises(ModelError, match="gru4rec"):
        build_backbone("lstm", 8, 6)


@pytest.fixture
def model() -> MoS:
    torch.manual_seed(0)
    made = MoS(MoSConfig(items=ITEMS, categories=2, themes=THEMES, width=8, recent=6, theme_ring=4))
    rows = torch.arange(ITEMS + 1)
    known = (rows > 0).float()
    known[[29, 30]] = 0
    made.set_catalogue(rows % 2 + 1, torch.where(rows > 0, rows % THEMES + 1, 0), known)
    return made.eval()


def history(items: list[int], rings: dict[int, list[int]]) -> History:
    def line(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
        return np.array(values, np.int64), 1000 * np.arange(len(values), dtype=np.int64)

    recent, times = line(items)
    return History(
        items=recent,
        times=times,
        now=60_000,
        rings={theme: line(values) for theme, values in rings.items()},
        theme_sessions=dict.fromkeys(rings, 1),
    )


def features(count: int) -> torch.Tensor:
    zero = torch.zeros(count)
    return realtime_features(zero, zero, zero, torch.ones(count))


def scores(model: MoS, *histories: History) -> torch.Tensor:
    everything = torch.arange(1, ITEMS + 1)
    with torch.inference_mode():
        users = model.encode(collate(histories))
        return model.score(users, everything, features(ITEMS))


def test_gates_start_closed(model: MoS) -> None:
    with torch.inference_mode():
        users = model.encode(collate([history([1, 2], {2: [5, 6]})]))
    alone, beside = np.exp(-2) / (1 + np.exp(-2)), np.exp(-2) / (1 + 2 * np.exp(-2))
    assert users.gates[0].tolist() == pytest.approx([alone, 0.0, beside, 0.0])


def test_a_ring_changes_the_scores_of_its_theme_only(model: MoS) -> None:
    without, with_ring = scores(model, history([1, 2], {}), history([1, 2], {2: [5, 6]}))
    changed = (without - with_ring).abs() > 1e-6
    assert torch.equal(changed, model.item_theme[1:] == 2)


def test_an_item_that_was_never_trained_is_its_category(model: MoS) -> None:
    with torch.inference_mode():
        rows = model.item_rows(torch.tensor([29, 30, 27]))
        category = model.category(model.item_category[[29, 30, 27]])
    assert torch.equal(rows[:2], category[:2])
    assert not torch.allclose(rows[2], category[2])


def test_users_do_not_depend_on_each_other(model: MoS) -> None:
    several = [history([1, 2, 3], {1: [4], 3: [7, 8]}), history([], {}), history([9] * 6, {2: [1, 2, 3, 4]})]
    together = scores(model, *several)
    for row, one in enumerate(several):
        torch.testing.assert_close(scores(model, one)[0], together[row], atol=1e-5, rtol=1e-5)


def test_score_keeps_the_order_of_the_candidates(model: MoS) -> None:
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        users = model.encode(collate([history([1, 2], {1: [3]})]))
        shuffled = model.score(users, order + 1, features(ITEMS))
    torch.testing.assert_close(shuffled, scores(model, history([1, 2], {1: [3]}))[:, order])


def test_repeats_touch_only_what_the_user_had(model: MoS) -> None:
    model = MoS(replace(model.config)).eval()
    with torch.no_grad():
        model.repeat.weight.fill_(2.0 / FASTER)
    slot = torch.cat([torch.tensor([-1]), torch.arange(ITEMS)])
    slot[7] = -1  # no candidate
    batch = collate([history([3, 3, 7], {})])
    added = model.add_repeats(torch.zeros(1, ITEMS), batch, slot)
    assert added[0, 2].item() == pytest.approx(4.0)
    assert added.count_nonzero() == 1
