"""Dropout: how many numbers it sets to zero, and that the mean stays."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.model.dropout import LEVELS, Dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
def test_so_many_are_zero_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1000, 999, requires_grad=True)
    found = Dropout(p)(values)
    share = round(p * LEVELS) / LEVELS
    zero = found == 0
    assert zero.float().mean().item() == pytest.approx(share, abs=0.002)
    assert found.mean().item() == pytest.approx(1, abs=0.003)
    assert zero.float().mean(0).std() < 1.2 * (share * (1 - share) / 1000) ** 0.5, "every place has the same chance"
    pairs = (zero[:, 1:] & zero[:, :-1]).float().mean().item()
    assert pairs == pytest.approx(share**2, abs=0.002), "neighbours are independent"
    found.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, found.detach())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 9))
@settings(deadline=None)
def test_any_shape_and_the_same_numbers_from_the_same_seed(shape: list[int], seed: int) -> None:
    dropout = Dropout(0.3)
    found = []
    for _ in range(2):
        torch.manual_seed(seed)
        found.append(dropout(torch.ones(shape)))
    assert found[0].shape == torch.Size(shape)
    assert torch.equal(found[0], found[1])


def test_nothing_happens_out_of_training_or_without_a_chance() -> None:
    values = torch.randn(50)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
