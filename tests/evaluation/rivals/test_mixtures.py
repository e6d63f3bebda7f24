"""Mixtures of experts keep the contract of a backbone, and weigh as their papers say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from evaluation import backbones  # noqa: F401 - registers those that read the candidate
from evaluation.rivals.mixtures import PLE, DSelectK, ExpertChoice, GShard, Mixture, MMoE, gate_input, smooth_step
from mos_online.errors import ModelError
from mos_online.model.backbone import Backbone, build_backbone

WIDTH, LONGEST, EXPERTS, CANDIDATES = 8, 7, 4, 3
KINDS: dict[str, Callable[..., Backbone]] = {
    "mmoe": MMoE,
    "ple": PLE,
    "gshard": GShard,
    "dselect-k": DSelectK,
    "expert-choice": ExpertChoice,
}
INNER = ("gru4rec", "din")


def built(kind: str, inner: str = "gru4rec", experts: int = EXPERTS) -> Backbone:
    torch.manual_seed(0)
    return KINDS[kind](lambda: build_backbone(inner, WIDTH, LONGEST), WIDTH, experts=experts)


def served(kind: str, inner: str) -> Backbone:
    """After a few batches in training: an expert choice without them has no thresholds."""
    mixture = built(kind, inner).train()
    for seed in range(5):
        mixture(*rows_of([LONGEST] * 32, seed), candidates(32))
    return mixture.eval()


def rows_of(lengths: list[int], seed: int, padding: float = 0.0) -> tuple[Tensor, Tensor]:
    longest = max(lengths)
    events = torch.randn(len(lengths), longest, WIDTH, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    return torch.where(mask.unsqueeze(2), events, padding), mask


def candidates(rows: int, seed: int = 7) -> Tensor:
    return torch.randn(rows, CANDIDATES, WIDTH, generator=torch.Generator().manual_seed(seed))


SERVED = {(kind, inner): served(kind, inner) for kind in KINDS for inner in INNER}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_served = pytest.mark.parametrize(("kind", "inner"), SERVED)
few = settings(max_examples=20, deadline=None)
lengths_of_rows = st.lists(st.integers(0, LONGEST), min_size=1, max_size=6)
seeds = st.integers(0, 99)


def some_logits(seed: int, rows: int = 32, columns: int = EXPERTS) -> Tensor:
    return 2 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@every_served
@few
@given(lengths=lengths_of_rows, seed=seeds)
def test_padding_never_matters(kind: str, inner: str, lengths: list[int], seed: int) -> None:
    with torch.inference_mode():
        one, other = (
            SERVED[kind, inner](*rows_of(lengths, seed, padding), candidates(len(lengths))) for padding in (0.0, 1e3)
        )
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@every_served
@few
@given(lengths=lengths_of_rows, seed=seeds)
def test_a_row_alone_equals_the_row_in_any_batch(kind: str, inner: str, lengths: list[int], seed: int) -> None:
    events, mask = rows_of(lengths, seed)
    target = candidates(len(lengths))
    with torch.inference_mode():
        together = SERVED[kind, inner](events, mask, target)
        for row, length in enumerate(lengths):
            part = slice(row, row + 1)
            alone = SERVED[kind, inner](events[part, :length], mask[part, :length], target[part])
            torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-5)
            assert bool(together[row].any()) == (length > 0)


@every_kind
def test_a_candidate_does_not_depend_on_the_others(kind: str) -> None:
    mixture, (events, mask), target = SERVED[kind, "din"], rows_of([3, LONGEST], 1), candidates(2)
    assert mixture.target_aware
    with torch.inference_mode():
        together = mixture(events, mask, target)
        assert together.shape == (2, CANDIDATES, WIDTH)
        torch.testing.assert_close(mixture(events, mask, target[:, 1:2]), together[:, 1:2], rtol=0, atol=1e-5)


@every_kind
def test_without_a_candidate_it_is_ignored(kind: str) -> None:
    mixture, (events, mask) = SERVED[kind, "gru4rec"], rows_of([3, LONGEST], 1)
    assert not mixture.target_aware
    with torch.inference_mode():
        assert torch.equal(mixture(events, mask), mixture(events, mask, candidates(2)))
        assert mixture(events, mask).shape == (2, WIDTH)


@every_kind
def test_training_reaches_every_expert_and_every_weight(kind: str) -> None:
    mixture = built(kind).train()
    # Not a plain sum: those of layer-normed states are constant.
    out = mixture(*rows_of([LONGEST] * 64, 3))
    loss = (out * torch.arange(WIDTH)).sum()
    (loss if mixture.penalty is None else loss + mixture.penalty).backward()
    for name, parameter in mixture.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name
        assert bool(parameter.grad.isfinite().all()), name


@every_kind
def test_only_training_has_a_penalty(kind: str) -> None:
    mixture = built(kind).train()
    mixture(*rows_of([LONGEST] * 8, 3))
    if kind in ("gshard", "dselect-k"):
        assert mixture.penalty is not None
        assert mixture.penalty.shape == ()
        assert mixture.penalty.item() > 0
    else:
        assert mixture.penalty is None
    mixture.eval()(*rows_of([LONGEST] * 8, 3))
    assert mixture.penalty is None


@pytest.mark.parametrize("kind", ["mmoe", "gshard", "expert-choice"])
def test_a_mixture_of_one_is_its_expert(kind: str) -> None:
    mixture, rows = built(kind, experts=1).eval(), rows_of([0, 3, LONGEST], 4)
    (expert,) = mixture.get_submodule("experts").children()
    torch.testing.assert_close(mixture(*rows), expert(*rows))


@pytest.mark.parametrize("kind", ["mmoe", "gshard", "expert-choice"])
@pytest.mark.parametrize("training", [True, False])
@few
@given(seed=seeds)
def test_weights_are_positive_and_sum_to_one(kind: str, training: bool, seed: int) -> None:
    mixture = built(kind).train(training)
    assert isinstance(mixture, Mixture)
    weights = mixture.weights(some_logits(seed))
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))


def test_a_mixture_is_the_weighted_sum_of_its_experts() -> None:
    mixture, (events, mask) = built("mmoe").eval(), rows_of([2, LONGEST], 5)
    gate = mixture.get_submodule("gate")
    by_hand = []
    for row, length in enumerate([2, LONGEST]):
        mine = events[row, :length]
        weights = gate(torch.cat([mine.mean(0), mine[-1]])).softmax(0)
        states = [
            expert(events[row : row + 1], mask[row : row + 1])[0]
            for expert in mixture.get_submodule("experts").children()
        ]
        by_hand.append(sum(weight * state for weight, state in zip(weights, states, strict=True)))
    torch.testing.assert_close(mixture(events, mask), torch.stack(by_hand), rtol=0, atol=1e-6)


def test_the_gate_reads_the_mean_and_the_last_event() -> None:
    events = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [9.0, 9.0]], [[5.0, 5.0]] * 3])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert gate_input(events, mask).tolist() == [[2.0, 1.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]]


@few
@given(seed=seeds, training=st.booleans())
def test_gshard_reads_exactly_two(seed: int, training: bool) -> None:
    mixture = built("gshard").train(training)
    assert isinstance(mixture, GShard)
    logits = some_logits(seed)
    weights = mixture.weights(logits)
    assert bool(((weights > 0).sum(1) == 2).all())
    if not training:
        assert torch.equal(weights.argsort(1)[:, -2:].sort(1).values, logits.argsort(1)[:, -2:].sort(1).values)


def test_gshards_penalty_by_hand() -> None:
    mixture = built("gshard").train()
    assert isinstance(mixture, GShard)
    even = torch.eye(EXPERTS).repeat(4, 1) * 50
    mixture.weights(even)
    assert mixture.penalty is not None
    assert mixture.penalty.item() == pytest.approx(mixture.balance)  # E * sum of 1/E * 1/E
    mixture.weights(even[:1].repeat(16, 1))
    assert mixture.penalty.item() == pytest.approx(EXPERTS * mixture.balance)  # all to one


@few
@given(seed=seeds)
def test_saturated_codes_select_exactly_the_experts_they_name(seed: int) -> None:
    mixture = built("dselect-k").eval()
    assert isinstance(mixture, DSelectK)
    drawn = torch.Generator().manual_seed(seed)
    bits = torch.randint(0, 2, (32, mixture.k, mixture.bits), generator=drawn)
    choice = torch.randn(32, mixture.k, generator=drawn)
    named = (bits * 2 ** torch.arange(mixture.bits)).sum(2)
    weights = mixture.weights((bits * 2.0 - 1).flatten(1) * mixture.gamma, choice)
    expected = torch.zeros(32, EXPERTS).scatter_add(1, named, choice.softmax(1))
    torch.testing.assert_close(weights, expected)
    apart = named[:, 0] != named[:, 1]
    assert bool(((weights[apart] > 0).sum(1) == mixture.k).all())


@few
@given(seed=seeds)
def test_any_codes_give_weights_that_sum_to_one(seed: int) -> None:
    mixture = built("dselect-k").eval()
    assert isinstance(mixture, DSelectK)
    codes = some_logits(seed, columns=mixture.k * mixture.bits) / 8
    weights = mixture.weights(codes, some_logits(seed + 1, columns=mixture.k))
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones(32))


def test_the_entropy_of_selectors_by_hand() -> None:
    mixture = built("dselect-k").train()
    assert isinstance(mixture, DSelectK)
    none = torch.zeros(6, mixture.k * mixture.bits)
    mixture.weights(none, torch.zeros(6, mixture.k))
    assert mixture.penalty is not None
    assert mixture.penalty.item() == pytest.approx(mixture.entropy * torch.tensor(float(EXPERTS)).log().item(), 1e-4)
    mixture.weights(none + mixture.gamma, torch.zeros(6, mixture.k))
    assert mixture.penalty.item() == pytest.approx(0.0, abs=1e-6)


def test_the_smooth_step_is_a_step_with_continuous_slope() -> None:
    at = torch.linspace(-2, 2, 401, dtype=torch.float64, requires_grad=True)
    step = smooth_step(at, 2.0)
    (slope,) = torch.autograd.grad(step.sum(), at)
    assert bool((step[at <= -1] == 0).all())
    assert bool((step[at >= 1] == 1).all())
    torch.testing.assert_close(step + step.flip(0), torch.ones_like(step))
    assert slope.diff().abs().max().item() < 0.02
    assert slope.max().item() == pytest.approx(0.75)  # 3 / (2 gamma)


@few
@given(seed=seeds, length=st.integers(1, 6))
def test_experts_keep_their_choice_from_those_who_share_the_batch_at_inference(seed: int, length: int) -> None:
    choice = SERVED["expert-choice", "gru4rec"]
    assert isinstance(choice, ExpertChoice)
    logits = some_logits(seed, length)
    together = choice.weights(logits)
    for row in range(length):
        torch.testing.assert_close(choice.weights(logits[row : row + 1])[0], together[row])


@few
@given(seed=seeds, rows=st.integers(1, 40), capacity=st.sampled_from([1.0, 2.0, 3.0]))
def test_in_training_each_expert_takes_its_capacity_and_a_row_without_any_its_best(
    seed: int, rows: int, capacity: float
) -> None:
    choice = built("expert-choice").train()
    assert isinstance(choice, ExpertChoice)
    choice.capacity = capacity
    logits = some_logits(seed, rows)
    scores, taken = logits.softmax(1), max(1, round(rows * capacity / EXPERTS))
    expected = torch.zeros(rows, EXPERTS, dtype=torch.bool)
    for expert in range(EXPERTS):
        expected[scores[:, expert].argsort(descending=True)[:taken], expert] = True
    assert expected.sum(0).tolist() == [taken] * EXPERTS
    left = ~expected.any(1)
    expected[left, scores[left].argmax(1)] = True
    assert torch.equal(choice.weights(logits) > 0, expected)


def test_the_threshold_is_a_running_mean_of_the_lowest_score_taken() -> None:
    choice = built("expert-choice").train()
    assert isinstance(choice, ExpertChoice)
    first, second = some_logits(1, 8), some_logits(2, 8)
    cut = [logits.softmax(1).sort(0, descending=True).values[3] for logits in (first, second)]  # 8 * 2 / 4 = 4 rows
    choice.weights(first)
    torch.testing.assert_close(choice.threshold, cut[0])
    choice.weights(second)
    torch.testing.assert_close(choice.threshold, choice.memory * cut[0] + (1 - choice.memory) * cut[1])
    before = choice.threshold.clone()
    choice.eval().weights(first)
    assert torch.equal(choice.threshold, before)


def test_thresholds_take_the_capacity_of_rows_drawn_alike() -> None:
    choice = built("expert-choice").train()
    assert isinstance(choice, ExpertChoice)
    for seed in range(200):
        choice.weights(some_logits(seed, 64))
    taken = (choice.eval().weights(some_logits(999, 4096)) > 0).float().sum(1).mean().item()
    assert taken == pytest.approx(choice.capacity, rel=0.1)


def test_a_row_that_nobody_takes_goes_to_its_best_expert() -> None:
    choice = built("expert-choice").eval()
    assert isinstance(choice, ExpertChoice)
    choice.threshold.fill_(0.99)
    assert choice.weights(torch.tensor([[0.1, 0.4, 0.2, 0.3]])).tolist() == [[0.0, 1.0, 0.0, 0.0]]


def test_a_threshold_is_saved_with_the_weights() -> None:
    other = built("expert-choice").eval()
    other.load_state_dict(SERVED["expert-choice", "gru4rec"].state_dict())
    rows = rows_of([3, LONGEST], 6)
    torch.testing.assert_close(other(*rows), SERVED["expert-choice", "gru4rec"](*rows))


@pytest.mark.parametrize("kind", ["mmoe", "gshard", "dselect-k", "expert-choice"])
def test_the_gate_does_not_read_the_candidate(kind: str) -> None:
    mixture, (events, mask), seen = SERVED[kind, "din"], rows_of([LONGEST] * 4, 8), list[Tensor]()
    gates = [part for part in mixture.children() if isinstance(part, nn.Linear)]
    hooks = [gate.register_forward_hook(lambda _, __, out: seen.append(out)) for gate in gates]
    one, other = (mixture(events, mask, candidates(4, seed)) for seed in (1, 2))
    for hook in hooks:
        hook.remove()
    assert not torch.equal(one, other)
    assert len(seen) == 2 * len(gates) > 0
    assert all(map(torch.equal, seen[: len(gates)], seen[len(gates) :]))


def test_rows_that_are_alike_do_not_exceed_the_capacity() -> None:
    choice = built("expert-choice").train()
    assert isinstance(choice, ExpertChoice)
    weights = choice.weights(torch.zeros(8, EXPERTS) + torch.tensor([0.2, 0.1, 0.0, -0.1]))
    assert bool(((weights > 0).sum(0)[1:] == 4).all())  # the first is also the best of those whom nobody takes


@pytest.mark.parametrize("experts", [0, 1, 3, 6])
def test_binary_codes_need_a_power_of_two(experts: int) -> None:
    with pytest.raises(ModelError, match=str(experts)):
        built("dselect-k", experts=experts)
