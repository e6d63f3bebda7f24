"""The lifelong expert: its state is its batch form, whatever the order, the shards and the deletions."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mos_online.errors import ModelError
from mos_online.model.lifelong import DAY, PRIOR, LifelongExpert, LifelongState

WIDTH = 8
DAY_MS = int(DAY * 1000)
START = 1_700_000_000_000
HISTORY = 400 * DAY_MS


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small only lose by being shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(dtype: torch.dtype) -> LifelongExpert:
    torch.manual_seed(0)
    return LifelongExpert(WIDTH, keys=5).to(dtype)


SINGLE, DOUBLE = built(torch.float32), built(torch.float64)
both = pytest.mark.parametrize(("expert", "tolerance"), [(DOUBLE, 1e-12), (SINGLE, 1e-5)], ids=["double", "single"])
few = settings(max_examples=40, deadline=None)
moments = st.lists(st.integers(START, START + HISTORY), min_size=1, max_size=12)

Event = tuple[Tensor, int]


def events_of(times: Sequence[int], seed: int, expert: LifelongExpert = DOUBLE) -> list[Event]:
    rows = torch.randn(len(times), WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return list(zip(rows.to(expert.rates.dtype), times, strict=True))


def queries(expert: LifelongExpert = DOUBLE) -> Tensor:
    return torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(77), dtype=torch.float64).to(
        expert.rates.dtype
    )


def state_of(events: Sequence[Event], expert: LifelongExpert = DOUBLE) -> LifelongState:
    state = LifelongState.empty(expert)
    for row, timestamp in events:
        state = state.add(row, timestamp)
    return state


@torch.no_grad()
def batch_read(events: Sequence[Event], now: int, expert: LifelongExpert) -> Tensor:
    rows = torch.stack([row for row, _ in events])
    ages = torch.tensor([(now - timestamp) / 1000 for _, timestamp in events], dtype=rows.dtype)
    mask = torch.ones(1, len(events), dtype=torch.bool)
    read: Tensor = expert(rows.unsqueeze(0), ages.unsqueeze(0), mask, queries(expert).unsqueeze(0))
    return read[0]


def assert_same(one: LifelongState, other: LifelongState, scale: LifelongState | None = None) -> None:
    """Equal up to the rounding of sums as large as those of ``scale``, and equal to a reader."""
    assert one.as_of == other.as_of
    scale = scale or other
    for name in ("sums", "mass"):
        rounding = 1e-12 * (1e-300 + getattr(scale, name).abs().max().item())
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=rounding)
    torch.testing.assert_close(one.read(queries()), other.read(queries()), rtol=1e-9, atol=1e-9)


@both
@few
@given(times=moments, wait=st.integers(0, HISTORY), seed=st.integers(0, 99))
def test_the_state_is_the_batch_form(
    expert: LifelongExpert, tolerance: float, times: list[int], wait: int, seed: int
) -> None:
    events, now = events_of(times, seed, expert), max(times) + wait
    read = state_of(events, expert).at(now).read(queries(expert))
    assert read.dtype == expert.rates.dtype
    torch.testing.assert_close(read, batch_read(events, now, expert), rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_the_batch_form_is_the_formula() -> None:
    events, now = events_of([START, START + 3 * DAY_MS, START + 40 * DAY_MS], 1), START + 41 * DAY_MS
    heads = []
    phi = [
        torch.where(x > 0, x + 1, torch.exp(x))
        for x in (DOUBLE.query(queries()), DOUBLE.key(torch.stack([e[0] for e in events])))
    ]
    values = DOUBLE.value(torch.stack([row for row, _ in events]))
    for head, half_life_days in enumerate([1, 7, 30]):
        asked, keys = (part[:, head * 5 : head * 5 + 5] for part in phi)
        decay = torch.tensor(
            [0.5 ** ((now - time) / DAY_MS / half_life_days) for _, time in events], dtype=torch.float64
        )
        attention = asked @ keys.T * decay
        heads.append(attention @ values[:, head * 3 : head * 3 + 3] / (attention.sum(1, keepdim=True) + PRIOR))
    expected = torch.cat(heads, dim=1) @ DOUBLE.join.weight.T
    torch.testing.assert_close(batch_read(events, now, DOUBLE), expected, rtol=1e-6, atol=1e-7)  # rates are float32


@few
@given(times=moments, seed=st.integers(0, 99), data=st.data())
def test_the_order_of_events_does_not_matter(times: list[int], seed: int, data: st.DataObject) -> None:
    events = events_of(times, seed)
    shuffled = data.draw(st.permutations(events))
    assert_same(state_of(shuffled), state_of(events))


@few
@given(times=moments, seed=st.integers(0, 99), shards=st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_merged_shards_are_one_state(times: list[int], seed: int, shards: list[int]) -> None:
    events = events_of(times, seed)
    a, b, c = (state_of([event for event, at in zip(events, shards, strict=False) if at == n]) for n in range(3))
    whole = state_of(events)
    assert_same(a.merge(b).merge(c), whole)
    assert_same(c.merge(b.merge(a)), whole)


@few
@given(times=moments, wait=st.integers(0, HISTORY), seed=st.integers(0, 99), gone=st.sets(st.integers(0, 11)))
def test_removing_is_rebuilding_without(times: list[int], wait: int, seed: int, gone: set[int]) -> None:
    events = events_of(times, seed)
    before = state = state_of(events).at(max(times) + wait)
    for index, (row, timestamp) in enumerate(events):
        if index in gone:
            state = state.remove(row, timestamp)
    rebuilt = state_of([event for index, event in enumerate(events) if index not in gone]).at(state.as_of)
    assert_same(state, rebuilt, scale=before)


@few
@given(time=st.integers(START, START + HISTORY), waits=st.lists(st.integers(0, 50 * DAY_MS), max_size=5))
def test_decay_in_steps_is_decay_at_once(time: int, waits: list[int]) -> None:
    stepped = at_once = state_of(events_of([time], 0))
    for wait in waits:
        stepped = stepped.at(stepped.as_of + wait)
    assert_same(stepped, at_once.at(time + sum(waits)), scale=at_once)


def test_each_head_halves_in_its_half_life() -> None:
    state = state_of(events_of([START], 0))
    for head, days in enumerate([1, 7, 30]):
        later = state.at(START + days * DAY_MS)
        torch.testing.assert_close(later.sums[head], state.sums[head] / 2, rtol=1e-6, atol=0)
        torch.testing.assert_close(later.mass[head], state.mass[head] / 2, rtol=1e-6, atol=0)


def test_a_state_does_not_run_backwards() -> None:
    state = state_of(events_of([START], 0))
    assert state.at(START - DAY_MS) is state


def test_the_state_has_the_same_size_after_a_thousand_events() -> None:
    one = state_of(events_of([START], 0))
    many = state_of(events_of(range(START, START + 1000 * 3_600_000, 3_600_000), 0))
    assert [many.sums.shape, many.mass.shape] == [one.sums.shape, one.mass.shape] == [(3, 5, 3), (3, 5)]


def test_sums_are_float64_whatever_the_weights_are() -> None:
    for state in (LifelongState.empty(SINGLE), state_of(events_of([START], 0, SINGLE), SINGLE)):
        assert state.sums.dtype == state.mass.dtype == torch.float64


def test_nothing_is_left_of_a_thousand_events_removed() -> None:
    events = events_of(range(START, START + 1000 * 60_000, 60_000), 0, SINGLE)
    state = state_of(events, SINGLE)
    for row, timestamp in events:
        state = state.remove(row, timestamp)
    assert state.read(queries(SINGLE)).abs().max() < 1e-7


def test_no_events_give_zeros() -> None:
    for columns in (0, 4):
        mask = torch.zeros(2, columns, dtype=torch.bool)
        read = SINGLE(torch.randn(2, columns, WIDTH), torch.rand(2, columns), mask, torch.randn(2, 3, WIDTH))
        assert torch.equal(read, torch.zeros(2, 3, WIDTH))
    assert torch.equal(LifelongState.empty(SINGLE).at(START).read(queries(SINGLE)), torch.zeros(3, WIDTH))


def test_a_user_silent_for_years_fades_to_zero() -> None:
    state = state_of(events_of([START], 0))
    assert state.read(queries()).abs().max() > 0.01
    assert state.at(START + 5 * 365 * DAY_MS).read(queries()).abs().max() < 1e-12


@torch.no_grad()
def test_padding_and_neighbours_never_matter() -> None:
    rows, ages, query = torch.randn(2, 6, WIDTH), torch.rand(2, 6) * DAY, torch.randn(2, 3, WIDTH)
    mask = torch.arange(6) < torch.tensor([[4], [6]])
    alone = SINGLE(rows[:1, :4], ages[:1, :4], mask[:1, :4], query[:1])
    for noise in (-1e3, 1e3):
        padded = SINGLE(rows.masked_fill(~mask.unsqueeze(2), noise), ages.masked_fill(~mask, noise * DAY), mask, query)
        torch.testing.assert_close(padded[:1], alone, rtol=0, atol=1e-6)
    torch.testing.assert_close(SINGLE(rows, ages, mask, query[:, 1]), padded[:, 1], rtol=0, atol=1e-6)


def test_a_clock_that_is_ahead_counts_as_now() -> None:
    rows, mask, query = torch.randn(1, 2, WIDTH), torch.ones(1, 2, dtype=torch.bool), torch.randn(1, WIDTH)
    ahead, level = (SINGLE(rows, torch.tensor([[age, DAY]]), mask, query) for age in (-DAY, 0.0))
    assert torch.equal(ahead, level)


def test_every_weight_learns_and_the_rates_do_not() -> None:
    expert = copy.deepcopy(SINGLE)
    mask = torch.ones(2, 4, dtype=torch.bool)
    expert(torch.randn(2, 4, WIDTH), torch.rand(2, 4) * DAY, mask, torch.randn(2, WIDTH)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in expert.parameters())
    assert "rates" in expert.state_dict()
    assert "rates" not in dict(expert.named_parameters())


def test_states_of_different_weights_do_not_mix() -> None:
    with pytest.raises(ModelError, match="different experts"):
        LifelongState.empty(SINGLE).merge(LifelongState.empty(DOUBLE))


def test_an_event_from_after_the_state_cannot_be_removed() -> None:
    row, _ = events_of([START], 0)[0]
    with pytest.raises(ModelError, match=f"cannot remove an event of {START + 1}"):
        state_of([(row, START)]).remove(row, START + 1)


@pytest.mark.parametrize("half_lives", [[], [0.0], [DAY, -1.0], [math.inf], [math.nan]])
def test_half_lives_are_positive(half_lives: list[float]) -> None:
    with pytest.raises(ModelError, match="half_lives"):
        LifelongExpert(WIDTH, half_lives=half_lives)


def test_there_is_at_least_one_key() -> None:
    with pytest.raises(ModelError, match="keys is 0"):
        LifelongExpert(WIDTH, keys=0)
