"""Every backbone keeps its contract, and does what a slow, plain version of its paper's equations does."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from evaluation.backbones import DIN, SDIM, TWIN
from mos_online.errors import ModelError
from mos_online.model import BACKBONES, MoS
from mos_online.model.backbone import Backbone, Resized, backbone, build_backbone, from_newest, last_event
from mos_online.model.backbones import AttentivePooling, Mamba4Rec, SASRec

WIDTH, LONGEST, CANDIDATES = 8, 7, 3


def built(name: str, resized: bool) -> Backbone:
    torch.manual_seed(0)
    if not resized:
        return build_backbone(name, WIDTH, LONGEST).eval()
    made = Resized(name, WIDTH, LONGEST, hidden=6)
    for projection in (made.narrow, made.widen):  # zero at first, which would hide rows that are not masked again
        nn.init.normal_(projection.bias)
    return made.eval()


ENCODERS = {name: built(name, False) for name in sorted(BACKBONES)}
ENCODERS |= {f"resized {name}": built(name, True) for name in ENCODERS}
AWARE = [name for name, encoder in ENCODERS.items() if encoder.target_aware]


few = settings(max_examples=20, deadline=None)
every_backbone = pytest.mark.parametrize("name", ENCODERS)
every_aware = pytest.mark.parametrize("name", AWARE)
lengths_of_rows = st.lists(st.integers(0, LONGEST), min_size=1, max_size=6)


def rows_of(lengths: list[int], seed: int, padding: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Random events of so many rows, ``padding`` behind them, and candidates."""
    longest, generator = max(lengths), torch.Generator().manual_seed(seed)
    events = torch.randn(len(lengths), longest, WIDTH, generator=generator)
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    target = torch.randn(len(lengths), CANDIDATES, WIDTH, generator=generator)
    return torch.where(mask.unsqueeze(2), events, padding), mask, target


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_which_backbones_read_the_candidate() -> None:
    assert {name for name, cls in BACKBONES.items() if cls.target_aware} == {"din", "sdim", "twin"}
    assert {name for name in AWARE if name.startswith("resized ")} == {"resized din", "resized sdim", "resized twin"}


@every_backbone
@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_padding_never_matters(name: str, lengths: list[int], seed: int) -> None:
    with torch.inference_mode():
        one, other = (ENCODERS[name](*rows_of(lengths, seed, padding)) for padding in (0.0, 1e3))
    close(one, other)


@every_backbone
@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_a_row_does_not_depend_on_the_others(name: str, lengths: list[int], seed: int) -> None:
    events, mask, target = rows_of(lengths, seed)
    with torch.inference_mode():
        together = ENCODERS[name](events, mask, target)
        for row, length in enumerate(lengths):
            one = slice(row, row + 1)
            close(ENCODERS[name](events[one, :length], mask[one, :length], target[one])[0], together[row])
            assert bool(together[row].any()) == (length > 0)


@every_aware
@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_a_candidate_does_not_depend_on_the_others(name: str, lengths: list[int], seed: int) -> None:
    events, mask, target = rows_of(lengths, seed)
    with torch.inference_mode():
        together = ENCODERS[name](events, mask, target)
        for at in range(CANDIDATES):
            close(ENCODERS[name](events, mask, target[:, at : at + 1])[:, 0], together[:, at])


@every_backbone
def test_only_who_reads_the_candidate_needs_one(name: str) -> None:
    events, mask, target = rows_of([LONGEST], 3)
    if name not in AWARE:
        assert torch.equal(ENCODERS[name](events, mask), ENCODERS[name](events, mask, target))
        return
    states = ENCODERS[name](events, mask, target)[0]
    assert not any(torch.allclose(states[one], states[one - 1], atol=1e-4) for one in range(CANDIDATES))
    for length in (LONGEST, 0):
        with pytest.raises(ModelError, match="target"):
            ENCODERS[name](events[:, :length], mask[:, :length])


@every_backbone
@pytest.mark.parametrize(("rows", "length"), [(2, 0), (0, 3), (0, 0)])
def test_nobody_and_nothing(name: str, rows: int, length: int) -> None:
    target = torch.randn(rows, CANDIDATES, WIDTH)
    out = ENCODERS[name](torch.zeros(rows, length, WIDTH), torch.zeros(rows, length, dtype=torch.bool), target)
    assert torch.equal(out, torch.zeros_like(target) if name in AWARE else torch.zeros(rows, WIDTH))


@every_backbone
@pytest.mark.parametrize("changed", range(LONGEST))
def test_every_event_matters(name: str, changed: int) -> None:
    events, mask, target = (rows.double() if rows.is_floating_point() else rows for rows in rows_of([LONGEST], 1))
    other = events.clone()
    other[0, changed] += 1.0 * torch.arange(WIDTH)  # no constant: a layer norm would take it away
    encoder = copy.deepcopy(ENCODERS[name]).double()  # a state space may fade below what float32 shows
    with torch.inference_mode():
        one, two = encoder(events, mask, target), encoder(other, mask, target)
    assert not torch.allclose(one, two, rtol=0, atol=1e-9)


@every_backbone
def test_it_learns_through_every_event(name: str) -> None:
    """SDIM too: with 16 functions of 2 bits, all of these events collide with some candidate."""
    events, mask, target = rows_of([3, LONGEST, 0], 2)
    events.requires_grad_()
    out = ENCODERS[name](events, mask, target)
    assert out.shape == ((3, CANDIDATES, WIDTH) if name in AWARE else (3, WIDTH))
    assert out.dtype == torch.float32
    # Not a plain sum: those of layer-normed states are constant.
    (gradient,) = torch.autograd.grad((out * torch.arange(WIDTH)).sum(), events)
    assert torch.equal(gradient.ne(0).any(2), mask)
    assert bool(gradient.isfinite().all())


@every_backbone
def test_every_parameter_learns(name: str) -> None:
    encoder = ENCODERS[name]
    out = encoder(*rows_of([3, LONGEST, 0], 2))
    gradients = torch.autograd.grad((out * torch.arange(WIDTH)).sum(), list(encoder.parameters()))
    assert all(bool(gradient.isfinite().all()) and bool(gradient.any()) for gradient in gradients)


def cases(lengths: tuple[int, ...] = (LONGEST, 5, 1, 0)) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Row, candidate, the row's own events, the candidate's row."""
    events, _, target = rows_of(list(lengths), 4)
    for row, length in enumerate(lengths):
        for at in range(CANDIDATES):
            yield row, at, events[row, :length], target[row, at]


@torch.inference_mode()
def test_din_is_the_activation_unit_event_by_event() -> None:
    din = ENCODERS["din"]
    assert isinstance(din, DIN)
    out = din(*rows_of([LONGEST, 5, 1, 0], 4))
    first = torch.cat([din.of_event.weight, din.of_target.weight, din.of_both.weight], 1)
    for row, at, events, target in cases():
        weights = []
        for event in events:
            hidden = F.gelu(first @ torch.cat([event, target, event * target]) + din.of_event.bias)
            weights.append(float((din.out.weight @ hidden)[0] + event @ target / WIDTH**0.5))
        share = torch.tensor(weights).exp() / torch.tensor(weights).exp().sum()
        expected = sum((w * event for w, event in zip(share, events, strict=True)), torch.zeros(WIDTH))
        close(out[row, at], expected)


class Largest(TorchDispatchMode):
    """Remembers the most elements that any tensor made inside had."""

    elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.elements = max(self.elements, made.numel())
        return made


def test_din_builds_nothing_larger_than_it_says() -> None:
    rows, candidates, longest, width, hidden = 2, 30, 50, 32, 16
    mask = torch.ones(rows, longest, dtype=torch.bool)
    din = DIN(width, longest, hidden)
    with torch.inference_mode(), Largest() as seen:  # type: ignore[no-untyped-call]
        din(torch.zeros(rows, longest, width), mask, torch.zeros(rows, candidates, width))
    assert seen.elements == rows * candidates * hidden * longest


@torch.inference_mode()
def test_sdim_is_buckets_that_grow_event_by_event() -> None:
    sdim = ENCODERS["sdim"]
    assert isinstance(sdim, SDIM)
    out = sdim(*rows_of([LONGEST, 5, 1, 0], 4))
    groups = sdim.projections.shape[1]

    def signature(vector: Tensor, group: int) -> tuple[bool, ...]:
        return tuple(bool(vector @ line > 0) for line in sdim.projections[:, group].T)

    read_nothing = 0
    for row, at, events, target in cases():
        buckets: defaultdict[tuple[int, tuple[bool, ...]], Tensor] = defaultdict(lambda: torch.zeros(WIDTH))
        for event in events:
            for group in range(groups):
                buckets[group, signature(event, group)] += sdim.value(event)
        read = [buckets[group, signature(target, group)] for group in range(groups)]
        read_nothing += sum(not bool(found.any()) for found in read)
        units = sum((found / max(float(found.norm()), 1e-12) for found in read), torch.zeros(WIDTH))
        close(out[row, at], units / groups + events[-1] if len(events) else torch.zeros(WIDTH))
    assert read_nothing  # empty buckets were among them


def test_sdim_hashes_alike_in_every_instance_of_a_width() -> None:
    torch.manual_seed(1)
    one, two = SDIM(WIDTH, LONGEST), SDIM(WIDTH, 2 * LONGEST)
    assert torch.equal(one.projections, two.projections)
    assert "projections" in one.state_dict()  # a checkpoint is read by its own hashes
    assert "projections" not in dict(one.named_parameters())


@pytest.mark.parametrize("kept", [1, 3, 20])
@torch.inference_mode()
def test_twin_searches_and_reads_by_the_same_attention(kept: int) -> None:
    torch.manual_seed(5)
    twin = TWIN(WIDTH, LONGEST, heads=2, kept=kept).eval()
    out = twin(*rows_of([LONGEST, 5, 1, 0], 4))
    half = WIDTH // 2
    for row, at, events, target in cases():
        if not len(events):
            assert not out[row, at].any()
            continue
        query, keys, values = twin.query(target), twin.key(events), twin.value(events)
        heads = (slice(0, half), slice(half, WIDTH))
        scores = torch.stack([keys[:, head] @ query[head] / half**0.5 for head in heads])
        chosen = sorted(range(len(events)), key=lambda event: -float(scores[:, event].sum()))[:kept]
        read = [scores[h, chosen].softmax(0) @ values[chosen][:, head] for h, head in enumerate(heads)]
        close(out[row, at], twin.out(torch.cat(read)) + events[-1])


@torch.inference_mode()
def test_mamba_steps_event_by_event() -> None:
    """The state carried is h and the last three inputs of the convolution."""
    mamba = ENCODERS["mamba4rec"]
    assert isinstance(mamba, Mamba4Rec)
    out = mamba(*rows_of([LONGEST, 5, 1, 0], 4))
    for row, at, events, _ in cases():
        if at or not len(events):
            continue
        state, tail = torch.zeros(WIDTH, mamba.states), [torch.zeros(WIDTH)] * 3
        for event in events:
            value, gate = mamba.into(mamba.norm(event)).chunk(2)
            window = torch.stack([*tail, value], 1)
            tail = [*tail[1:], value]
            assert mamba.convolution.bias is not None
            x = F.silu((mamba.convolution.weight[:, 0] * window).sum(1) + mamba.convolution.bias)
            rank, b, c = mamba.select(x).split([mamba.rank, mamba.states, mamba.states])
            delta = F.softplus(mamba.delta(rank)).unsqueeze(1)
            state = torch.exp(-delta * mamba.log_decay.exp()) * state + delta * x.unsqueeze(1) * b
            hidden = event + mamba.back((state @ c + mamba.skip * x) * F.silu(gate))
            now = hidden + mamba.mlp(mamba.after(hidden))
        close(out[row], now)


@pytest.mark.parametrize("name", ["sasrec", "twin"])
def test_heads_share_the_width_evenly(name: str) -> None:
    with pytest.raises(ModelError, match=r"width 9 .* 2 heads"):
        build_backbone(name, 9, LONGEST)
    with pytest.raises(ModelError, match=r"width 5 .* 2 heads"):
        Resized(name, WIDTH, LONGEST, hidden=5)


def test_resized_passes_the_penalty_on() -> None:
    @backbone("costly")
    class Costly(Backbone):
        def forward(self, events: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
            self.penalty = events.square().sum() if self.training else None
            return events.sum(1)

    try:
        made = Resized("costly", WIDTH, LONGEST, hidden=4)
    finally:
        del BACKBONES["costly"]
    events, mask, _ = rows_of([3], 1)
    made(events, mask)
    assert made.penalty is not None
    close(made.penalty, made.narrow(events).square().sum())
    made.eval()(events, mask)
    assert made.penalty is None


def test_din_learns_which_event_is_asked_for() -> None:
    """The wanted item goes with one event of several, which no sum of all events can tell apart."""
    items, length = 40, 8
    torch.manual_seed(0)
    partner = torch.randperm(items)
    rows, din = nn.Embedding(items, WIDTH), DIN(WIDTH, length)
    nn.init.normal_(rows.weight, std=0.05)
    optimizer = torch.optim.Adam([*rows.parameters(), *din.parameters()], 2e-2)
    hits = torch.zeros(0)
    for _ in range(300):
        shuffled = torch.rand(64, items).argsort(1)
        history, others = shuffled[:, :length], partner[shuffled[:, length : length + 5]]
        asked = history.gather(1, torch.randint(length, (64, 1)))
        target = rows(torch.cat([partner[asked], others], 1))
        scores = (din(rows(history), torch.ones(64, length, dtype=torch.bool), target) * target).sum(2)
        optimizer.zero_grad()
        F.cross_entropy(scores, torch.zeros(64, dtype=torch.long)).backward()
        optimizer.step()
        hits = (scores.argmax(1) == 0).float()
    assert float(hits.mean()) > 0.7  # by chance 1 / 6


def test_an_unknown_name_lists_every_known_one() -> None:
    with pytest.raises(ModelError) as raised:
        build_backbone("lstm", WIDTH, LONGEST)
    assert "lstm" in str(raised.value)
    assert all(name in str(raised.value) for name in BACKBONES)


def test_pooling_weighs_events_by_row_and_place_and_takes_the_mean_of_the_rows() -> None:
    torch.manual_seed(3)
    encoder = AttentivePooling(WIDTH, LONGEST).eval()
    nn.init.normal_(encoder.place.weight)
    events, mask, _ = rows_of([LONGEST + 3, 4, 1], 5)  # the first is longer than there are places
    with torch.inference_mode():
        states = encoder(events, mask)
        for row, length in enumerate(mask.sum(1).tolist()):
            logits = []
            for at in range(length):
                place = encoder.place.weight[min(length - 1 - at, LONGEST - 1)]
                hidden = torch.tanh(encoder.first.weight @ (events[row, at] + place) + encoder.first.bias)
                logits.append((encoder.second.weight @ hidden).squeeze())
            weights = torch.stack(logits).exp()
            close(states[row], weights @ events[row, :length] / weights.sum())


@pytest.mark.parametrize("name", sorted({name for name, cls in BACKBONES.items() if not cls.target_aware}))
def test_an_untrained_state_is_not_much_longer_than_the_events_it_is_made_of(name: str) -> None:
    """Scores are 8 times a product with items' rows: a long state would rank by nothing but its noise."""
    torch.manual_seed(0)
    encoder = build_backbone(name, 48, 50).eval()
    events = 0.07 * torch.randn(64, 20, 48)
    state = encoder(events, torch.ones(64, 20, dtype=torch.bool))
    assert state.norm(dim=1).mean() < 4 * events.norm(dim=2).mean()


@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_sasrec_leaves_out_only_states_that_nobody_asks_for(lengths: list[int], seed: int) -> None:
    encoder = ENCODERS["sasrec"]
    assert isinstance(encoder, SASRec)
    events, mask, _ = rows_of(lengths, seed)
    with torch.inference_mode():
        length = events.shape[1]
        if length:
            hidden = events + encoder.position(from_newest(mask, LONGEST))
            for block in encoder.blocks:
                hidden = block(hidden, hidden, torch.ones(length, length, dtype=torch.bool).tril())
            close(encoder(events, mask), last_event(encoder.norm(hidden), mask))


@given(lengths=lengths_of_rows)
@few
def test_only_events_are_read_and_the_rest_is_zero(lengths: list[int]) -> None:
    model = MoS(backbone="pooling", items=9, themes=2, width=WIDTH).eval()
    _, mask, _ = rows_of(lengths, 0)
    items = torch.randint(1, 10, mask.shape, generator=torch.Generator().manual_seed(0))
    ages, more = items * 100.0, torch.arange(len(lengths) * WIDTH).view(-1, WIDTH) / 10
    with torch.inference_mode():
        expected = model.event_rows(items, ages) + more.unsqueeze(1)
        close(model.read_events(items, ages, mask, more), expected * mask.unsqueeze(2))
        close(model.read_events(items, ages, mask), model.event_rows(items, ages) * mask.unsqueeze(2))
