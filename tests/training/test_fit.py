"""Early stopping, the budget of time, and the pass over the newest moments, on a model of one number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from mos_online.model import MoS, MoSConfig
from mos_online.training.fit import Budget, Outcome, Reached, fit, go_on, refresh

BUDGET = Budget(seconds=1e9, epochs=5, patience=2, rate=0.1, moments=1, decay=0.0)


def reached(ndcg: float, auc: float = 1.0) -> Reached:
    return Reached(ndcg=ndcg, auc=auc)


class Rising:
    """A quality that grows with every look."""

    def __init__(self) -> None:
        self._looks = itertools.count(1)

    def __call__(self) -> Reached:
        return reached(next(self._looks) / 100)


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

    def quality() -> Reached:
        seen.append(bias(model).item())
        return reached(next(qualities))

    best = fit(model, 3, lambda numbers: bias(model) * (numbers[0] + 1), quality, budget=BUDGET, seed=0)
    assert best == Outcome(reached=reached(0.9), passes=4, share=2 / 5)
    assert len(set(seen)) == 5, "every pass changes the model"
    assert bias(model).item() == seen[2]
    assert not model.training


def test_it_goes_on_while_either_grows_and_keeps_the_best_product(model: MoS) -> None:
    seen: list[float] = []
    qualities = iter([(0.1, 0.5), (0.2, 0.8), (0.1, 0.85), (0.3, 0.7), (0.2, 0.9), (0.1, 0.1)])

    def quality() -> Reached:
        seen.append(bias(model).item())
        return reached(*next(qualities))

    budget = replace(BUDGET, patience=1)
    best = fit(model, 3, lambda numbers: bias(model), quality, budget=budget, seed=0)
    assert best == Outcome(reached=reached(0.3, 0.7), passes=5, share=3 / 5)
    assert bias(model).item() == seen[3]


def test_a_model_that_ranks_nothing_is_kept_by_its_auc(model: MoS) -> None:
    qualities = iter([0.5, 0.8, 0.6, 0.7])
    best = fit(
        model,
        3,
        lambda numbers: bias(model),
        lambda: Reached(ndcg=None, auc=next(qualities)),
        budget=BUDGET,
        seed=0,
    )
    assert best == Outcome(reached=Reached(ndcg=None, auc=0.8), passes=3, share=1 / 5)


def test_a_step_takes_several_moments(model: MoS) -> None:
    taken: list[list[int]] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.append(list(numbers))
        return bias(model)

    fit(model, 7, loss, lambda: reached(0.0), budget=replace(BUDGET, moments=3, epochs=1), seed=0)
    assert [len(numbers) for numbers in taken] == [3, 3, 1]
    assert sorted(number for numbers in taken for number in numbers) == list(range(7))


def test_every_pass_takes_every_moment_once_in_an_order_of_its_own(model: MoS) -> None:
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        return bias(model)

    qualities = iter(range(6))
    found = fit(model, 8, loss, lambda: reached(next(qualities)), budget=BUDGET, seed=3)
    assert found.passes == BUDGET.epochs
    orders = [taken[at : at + 8] for at in range(0, 40, 8)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each step that is taken."""
    taken: list[float] = []
    step = torch.optim.AdamW.step

    def spied(self: torch.optim.AdamW, closure: None = None) -> None:
        taken.append(self.param_groups[0]["lr"])
        step(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", spied)
    return taken


def test_the_learning_rate_falls_to_a_tenth(model: MoS, rates: list[float]) -> None:
    qualities = iter(range(6))
    fit(model, 10, lambda numbers: bias(model), lambda: reached(next(qualities)), budget=BUDGET, seed=0)
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
    monkeypatch.setattr("mos_online.training.fit.time", SimpleNamespace(monotonic=lambda: next(times)))
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        return bias(model)

    progress: list[float] = []
    found = fit(
        model,
        8,
        loss,
        lambda: reached(0.0),
        budget=Budget(seconds=10.0, epochs=5, patience=9, rate=0.1, moments=1),
        seed=0,
        on_progress=lambda part, words: progress.append(part),
    )
    assert (len(taken), found.passes) == (2, 1)
    assert progress == [0.1, 0.5, 1.0]


def test_a_refresh_goes_through_the_moments_in_their_order(model: MoS) -> None:
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        assert model.training
        return bias(model)

    before = bias(model).item()
    refresh(model, 7, loss, rate=0.01, together=2)
    assert taken == list(range(7))
    assert bias(model).item() == pytest.approx(before - 0.04, abs=1e-3), "four steps"
    assert not model.training


def test_a_schedule_may_be_gone_through_in_two_parts(model: MoS, rates: list[float]) -> None:
    """The second part goes on with the learning rates where the first has stopped, and with their number of passes."""
    qualities = iter(range(100))
    budget, share = replace(BUDGET, epochs=6), 1 / 3
    spans = ((0.0, 1.0), (0.0, share), (share, 1.0))
    passes = [
        fit(
            model,
            10,
            lambda numbers: bias(model),
            lambda: reached(next(qualities)),
            budget=budget,
            seed=0,
            begin=begin,
            end=end,
        ).passes
        for begin, end in spans
    ]
    assert passes == [6, 2, 4]
    assert rates[60:] == pytest.approx(rates[:60])


def test_a_part_of_a_schedule_ends_with_its_share_of_the_time(model: MoS, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr("mos_online.training.fit.time", SimpleNamespace(monotonic=lambda: float(next(now))))
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        return bias(model)

    budget = replace(BUDGET, seconds=12.0)
    for begin, end in ((0.0, 0.25), (0.25, 1.0)):
        fit(model, 50, loss, lambda: reached(0.0), budget=budget, seed=0, begin=begin, end=end)
    assert len(taken) == 2 + 8, "the clock goes on by a second for every step, and once before the first"


@pytest.mark.parametrize("moments", [1, 2, 5])
def test_rows_of_items_decay_by_the_same_share_in_a_pass_whatever_its_steps(model: MoS, moments: int) -> None:
    """And nothing else decays, nor anything in a refresh."""
    rows, names = model.item.weight, ("category.weight", "theme.weight")
    before = rows.detach().clone(), [model.get_parameter(name).detach().clone() for name in names]
    budget = replace(BUDGET, moments=moments, epochs=1, rate=1e-4, decay=0.2)

    def nothing(numbers: Sequence[int]) -> Tensor:
        return 0 * torch.stack([weight.sum() for weight in model.parameters()]).sum()

    fit(model, 10, nothing, Rising(), budget=budget, seed=0)
    lost = 1 - rows.detach().norm() / before[0].norm()
    assert lost.item() == pytest.approx(0.2 * 0.55, abs=0.05), "the mean rate is 0.55 of the full one"
    for name, old in zip(names, before[1], strict=True):
        assert torch.equal(model.get_parameter(name), old), name
    kept = rows.detach().clone()
    refresh(model, 10, lambda numbers: 0 * bias(model), rate=0.1, together=1)
    assert torch.equal(rows, kept)


@pytest.mark.parametrize(("share", "passes"), [(0.0, 1), (1 / 6, 1), (1 / 3, 1), (0.5, 2), (1.0, 3)])
def test_going_on_takes_half_as_long_as_was_best_in_the_second_half_of_the_schedule(
    model: MoS, rates: list[float], share: float, passes: int
) -> None:
    budget, qualities = replace(BUDGET, epochs=6), iter(range(100))
    fit(model, 10, lambda numbers: bias(model), lambda: reached(next(qualities)), budget=budget, seed=0)
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        return bias(model)

    before, whole = bias(model).item(), rates[:]
    rates.clear()
    assert go_on(model, 10, loss, budget=budget, share=share, seed=0) == passes
    assert rates == pytest.approx(whole[30 : 30 + 10 * passes])
    assert [sorted(taken[at : at + 10]) for at in range(0, len(taken), 10)] == [[*range(10)]] * passes
    assert bias(model).item() != before
    assert not model.training


@pytest.mark.parametrize("epochs", range(1, 8))
def test_going_on_learns_all_examples_at_least_once(model: MoS, epochs: int) -> None:
    heard: list[float] = []
    passes = go_on(
        model,
        10,
        lambda numbers: bias(model),
        budget=replace(BUDGET, epochs=epochs),
        share=1 / epochs,
        seed=0,
        on_progress=lambda part, words: heard.append(part),
    )
    assert passes == 1
    assert heard == sorted(heard)
    assert 0 <= heard[0] <= heard[-1] == 1.0


def test_going_on_takes_half_of_the_time_that_was_best(model: MoS, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr("mos_online.training.fit.time", SimpleNamespace(monotonic=lambda: float(next(now))))
    taken: list[int] = []

    def loss(numbers: Sequence[int]) -> Tensor:
        taken.extend(numbers)
        return bias(model)

    budget = replace(BUDGET, seconds=24.0, epochs=100)
    qualities = iter([0.1, 0.9, 0.2, 0.1])
    found = fit(model, 10, loss, lambda: reached(next(qualities)), budget=budget, seed=0)
    assert found.share == pytest.approx(11 / 24), "a second for each step, and one for the look at the clock"
    taken.clear()
    go_on(model, 2, loss, budget=budget, share=0.5, seed=0)
    assert 3 <= len(taken) <= 5, "a quarter of the time"
    taken.clear()
    assert go_on(model, 20, loss, budget=budget, share=0.5, seed=0) == 1
    assert sorted(taken) == [*range(20)], "but the first pass is whole"


def test_a_model_that_is_best_untrained_stays_so(model: MoS) -> None:
    qualities = iter([0.9, 0.2, 0.1])
    before = bias(model).item()
    found = fit(model, 3, lambda numbers: bias(model), lambda: reached(next(qualities)), budget=BUDGET, seed=0)
    assert (found.share, found.passes) == (None, 2)
    assert bias(model).item() == before
