"""Early stopping, the budget of time, and the pass over the newest moments, on a model of one number."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from mos_online.model import MoS, MoSConfig
from mos_online.training.fit import Budget, fit, one_pass

BUDGET = Budget(seconds=1e9, epochs=5, patience=2, rate=0.1)


@pytest.fixture
def model() -> MoS:
    torch.manual_seed(0)
    return MoS(MoSConfig(items=4, themes=2, width=4, recent=4, short=2, theme_ring=2))


def bias(model: MoS) -> Tensor:
    """A number of the model that the losses here move."""
    return model.get_parameter("item.weight")[1, 0]


def test_the_best_weights_are_kept_and_patience_ends_it(model: MoS) -> None:
    seen: list[float] = []
    qualities = iter([0.1, 0.5, 0.9, 0.3, 0.2])

    def quality() -> float:
        seen.append(bias(model).item())
        return next(qualities)

    best, passes = fit(model, 3, lambda index: bias(model) * (index + 1), quality, budget=BUDGET, seed=0)
    assert (best, passes) == (0.9, 4)
    assert len(set(seen)) == 5, "every pass changes the model"
    assert bias(model).item() == seen[2]
    assert not model.training


def test_every_pass_takes_every_moment_once_in_an_order_of_its_own(model: MoS) -> None:
    taken: list[int] = []

    def loss(index: int) -> Tensor:
        taken.append(index)
        return bias(model)

    qualities = iter(range(6))
    _, passes = fit(model, 8, loss, lambda: float(next(qualities)), budget=BUDGET, seed=3)
    assert passes == BUDGET.epochs
    orders = [taken[at : at + 8] for at in range(0, 40, 8)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_the_learning_rate_falls_to_a_tenth(model: MoS, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def spied(self: torch.optim.Adam, closure: None = None) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self, closure)

    monkeypatch.setattr(torch.optim.Adam, "step", spied)
    qualities = iter(range(6))
    fit(model, 10, lambda index: bias(model), lambda: float(next(qualities)), budget=BUDGET, seed=0)
    assert rates[0] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert 0.01 < rates[-1] < 0.013


def test_the_pass_under_way_is_cut_short_when_the_time_is_up(model: MoS, monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        yield 0.0
        yield 1.0
        yield 5.0
        while True:
            yield 10.0

    times = clock()
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    taken: list[int] = []

    def loss(index: int) -> Tensor:
        taken.append(index)
        return bias(model)

    progress: list[float] = []
    _, passes = fit(
        model,
        8,
        loss,
        lambda: 0.0,
        budget=Budget(seconds=10.0, epochs=5, patience=9, rate=0.1),
        seed=0,
        on_progress=lambda part, words: progress.append(part),
    )
    assert (len(taken), passes) == (2, 1)
    assert progress == [0.1, 0.5, 1.0]


def test_one_pass_goes_through_the_moments_in_their_order(model: MoS) -> None:
    taken: list[int] = []

    def loss(index: int) -> Tensor:
        taken.append(index)
        assert model.training
        return bias(model)

    before = bias(model).item()
    one_pass(model, 4, loss, rate=0.01)
    assert taken == [0, 1, 2, 3]
    assert bias(model).item() == pytest.approx(before - 0.04, abs=1e-3)
    assert not model.training
