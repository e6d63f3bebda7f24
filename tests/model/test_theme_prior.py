"""The facts from which the next theme is foretold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mos_online.model import History, collate
from mos_online.model.theme_prior import ThemePrior, theme_facts

THEME = torch.tensor([0, 1, 1, 2, 3, 0])
"""Of the item rows 0..5; the last item is unrouted."""


def history(items: list[int], rings: dict[int, int], sessions: dict[int, int]) -> History:
    """Events a second apart; rings of so many events."""

    def line(count: int) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(count, np.int64), 1000 * np.arange(count, dtype=np.int64)

    return History(
        items=np.array(items, np.int64),
        times=1000 * np.arange(len(items), dtype=np.int64),
        now=100_000,
        rings={theme: line(count) for theme, count in rings.items()},
        theme_sessions=sessions,
    )


def test_facts_by_hand() -> None:
    batch = collate([history([1, 3, 3, 4], {2: 3, 3: 1}, {2: 6, 3: 2}), history([], {}, {}), history([5], {}, {})])
    facts = theme_facts(batch, THEME, themes=3, short=2)
    assert facts[0, :, 0].tolist() == [0.0, 0.25, 0.5, 0.25]
    assert facts[0, :, 1].tolist() == [0.0, 0.0, 0.5, 0.5]
    assert facts[0, :, 2].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert facts[0, :, 3].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert facts[0, 2, 4].item() == pytest.approx(np.log1p(3) / 3)
    assert facts[0, 2, 5].item() == pytest.approx(np.log1p(98) / 10)
    assert facts[0, :, 6].tolist() == [0.0, 0.0, 0.75, 0.25]
    assert not facts[1].any()
    assert facts[2, :, :3].tolist() == [[1.0, 1.0, 1.0], [0.0] * 3, [0.0] * 3, [0.0] * 3]


def test_neighbours_and_padding_do_not_matter() -> None:
    users = [history([1, 3, 3, 4], {2: 3}, {2: 1}), history([4], {1: 2, 2: 1}, {1: 1, 2: 3})]
    together = theme_facts(collate(users), THEME, themes=3, short=2)
    for row, user in enumerate(users):
        assert torch.equal(theme_facts(collate([user]), THEME, themes=3, short=2)[0], together[row])


def test_it_starts_at_zero_and_learns() -> None:
    prior = ThemePrior(width=4)
    facts = theme_facts(collate([history([1, 3], {2: 3}, {2: 1})]), THEME, themes=3, short=2)
    names = torch.randn(4, 4)
    bias = prior(facts, torch.randn(1, 4), names)
    assert bias.shape == (1, 4)
    assert not bias.any()
    assert prior(facts, torch.randn(1, 5, 4), names).shape == (1, 5, 4)
    optimizer = torch.optim.SGD(prior.parameters(), lr=0.5)
    for _ in range(20):
        optimizer.zero_grad()
        loss = -prior(facts, torch.ones(1, 4), names).log_softmax(1)[0, 2]
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
