"""What moves a score: the item's own theme's ring, its category, its real-time features, the user's own repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mos_online.errors import ModelError
from mos_online.model import BACKBONES, History, MoS, MoSConfig, collate, realtime_features

ITEMS, THEMES, NEW = 24, 4, (23, 24)
AGES = np.array([4_900_000, 1_200_000, 300_000, 60_000, 20_000], np.int64)  # ms, of five buckets
LINES = st.lists(st.integers(0, ITEMS), min_size=1, max_size=5)


def made(backbone: str) -> MoS:
    """Items of themes 0..4; the last two were never trained and share category and theme."""
    torch.manual_seed(1)
    model = MoS(
        MoSConfig(backbone=backbone, items=ITEMS, categories=3, themes=THEMES, width=8, recent=6, short=3, theme_ring=5)
    )
    rows = torch.arange(ITEMS + 1)
    category, theme, known = rows % 4, rows % (THEMES + 1), torch.ones(ITEMS + 1)
    category[list(NEW)], theme[list(NEW)], known[list(NEW)] = 2, 3, 0.0
    model.set_catalogue(category, theme, known)
    with torch.no_grad():  # gates that look at their inputs, repeats that count: as after training
        for parameter in (
            model.theme_gate.weight,
            model.short_gate.weight,
            model.repeat.weight,
            model.ring_repeat.weight,
        ):
            parameter.normal_(std=0.5)
    return model.eval()


MODELS = {name: made(name) for name, cls in sorted(BACKBONES.items()) if not cls.target_aware}


few = settings(max_examples=20, deadline=None)
every_backbone = pytest.mark.parametrize("name", MODELS)


def history(items: list[int], rings: dict[int, list[int]], visits: int = 1) -> History:
    def line(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
        return np.array(values, np.int64), 5_000_000 - AGES[: len(values)]

    recent, times = line(items)
    return History(
        items=recent,
        times=times,
        now=5_000_000,
        rings={theme: line(values) for theme, values in rings.items()},
        theme_sessions=dict.fromkeys(rings, visits),
    )


def features(seed: int = 0) -> Tensor:
    share, slow, age = torch.rand(3, ITEMS + 1, generator=torch.Generator().manual_seed(seed))
    table = realtime_features(share / ITEMS, slow / ITEMS, 100 * age, torch.ones(ITEMS + 1))
    table[list(NEW)] = table[NEW[0]].clone()
    return table


@torch.inference_mode()
def scores(model: MoS, one: History, candidates: Tensor, table: Tensor | None = None) -> Tensor:
    batch = collate([one])
    slot = torch.full((ITEMS + 1,), -1)
    slot[candidates] = torch.arange(len(candidates))
    table = features() if table is None else table
    scored = model.score(model.encode(batch), candidates, table[candidates])
    return model.add_repeats(scored, batch, slot)[0]


EVERYTHING = torch.arange(1, ITEMS + 1)


@every_backbone
@few
@given(items=LINES, ring=LINES, theme=st.integers(1, THEMES), others=st.integers(0, THEMES))
def test_a_ring_moves_the_items_of_its_theme_and_those_it_holds(
    name: str, items: list[int], ring: list[int], theme: int, others: int
) -> None:
    model = MODELS[name]
    rest = {other: [3, 1] for other in range(1, others + 1) if other != theme}
    before = scores(model, history(items, rest), EVERYTHING)
    after = scores(model, history(items, rest | {theme: ring}), EVERYTHING)
    moved = (before - after).abs() > 1e-5
    its_own = (model.item_theme[1:] == theme) | torch.isin(EVERYTHING, torch.tensor(ring))
    assert not moved[~its_own].any()
    assert moved[its_own].any()


@every_backbone
def test_visits_change_the_gate_of_their_theme_only(name: str) -> None:
    with torch.inference_mode():
        few, many = (MODELS[name].encode(collate([history([1], {2: [5, 6]}, visits)])).gates[0] for visits in (1, 50))
    assert few[2] != many[2]
    assert torch.equal(few[[0, 1, 3, 4]], many[[0, 1, 3, 4]])
    assert few[[1, 3, 4]].tolist() == [0, 0, 0]


@every_backbone
@few
@given(items=LINES, ring=LINES)
def test_new_items_of_one_category_are_told_apart_by_realtime_features_only(
    name: str, items: list[int], ring: list[int]
) -> None:
    had, held = ([item for item in line if item not in NEW] or [1] for line in (items, ring))
    user = history(had, {3: held})
    scored = scores(MODELS[name], user, EVERYTHING)
    assert scored[NEW[0] - 1] == pytest.approx(scored[NEW[1] - 1].item(), abs=1e-5)
    table = features()
    table[NEW[0], :2] += 1.0
    scored = scores(MODELS[name], user, EVERYTHING, table)
    assert scored[NEW[0] - 1] != pytest.approx(scored[NEW[1] - 1].item(), abs=1e-3)


@every_backbone
@few
@given(items=LINES, ring=LINES, candidates=st.permutations(range(1, ITEMS + 1)), count=st.integers(1, ITEMS))
def test_a_score_depends_on_no_other_candidate(
    name: str, items: list[int], ring: list[int], candidates: list[int], count: int
) -> None:
    user = history(items, {1: ring, 4: ring[::-1]})
    chosen = torch.tensor(candidates[:count])
    torch.testing.assert_close(
        scores(MODELS[name], user, chosen), scores(MODELS[name], user, EVERYTHING)[chosen - 1], atol=1e-4, rtol=1e-5
    )


@few
@given(items=LINES, candidates=st.sets(st.integers(1, ITEMS), min_size=1))
def test_repeats_touch_what_the_user_had_and_nothing_else(items: list[int], candidates: set[int]) -> None:
    model = MODELS["gru4rec"]
    chosen = torch.tensor(sorted(candidates))
    slot = torch.full((ITEMS + 1,), -1)
    slot[chosen] = torch.arange(len(chosen))
    batch = collate([history([9, 9, 9, 9, 9], {}), history(items, {})])
    with torch.inference_mode():
        added = model.add_repeats(torch.zeros(2, len(chosen)), batch, slot)[1]
    assert set(chosen[added != 0].tolist()) == candidates & set(items)


def test_an_item_clicked_twice_counts_twice_by_age() -> None:
    model = MODELS["gru4rec"]
    slot = torch.full((ITEMS + 1,), -1)
    slot[7] = 0
    with torch.inference_mode():
        once, again, twice = (
            model.add_repeats(torch.zeros(1, 1), collate([history(items, {})]), slot).item()
            for items in ([7, 2], [2, 7], [7, 7])
        )
    assert once != again
    assert twice == pytest.approx(once + again)


@every_backbone
def test_in_training_some_ids_are_hidden_and_in_service_none(name: str) -> None:
    model = made(name)
    items = torch.arange(1, 20).repeat(40)
    with torch.no_grad():
        whole = model.item_rows(items)
        assert torch.equal(whole, model.item_rows(items))
        seen = model.train().item_rows(items)
        category = model.category(model.item_category[items])
    hidden = (seen == category).all(1)
    assert 0.02 < hidden.float().mean() < 0.25
    assert torch.equal(seen[~hidden], whole[~hidden])


@pytest.mark.parametrize("name", ["items", "themes", "width", "recent", "short", "theme_ring", "realtime"])
def test_no_size_may_be_zero(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name}=0"):
        replace(MoSConfig(items=5, categories=1, themes=2), **{name: 0})  # type: ignore[arg-type]
