"""Every backbone keeps its contract, whatever the lengths of the rows and whoever shares the batch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mos_online.errors import ModelError
from mos_online.model import BACKBONES
from mos_online.model.backbone import build_backbone

WIDTH, LONGEST = 8, 7


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(name, WIDTH, LONGEST).eval()


ENCODERS = {name: built(name) for name in sorted(BACKBONES)}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small only lose by being shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


few = settings(max_examples=30, deadline=None)
every_backbone = pytest.mark.parametrize("name", ENCODERS)
lengths_of_rows = st.lists(st.integers(0, LONGEST), min_size=1, max_size=6)


def rows_of(lengths: list[int], seed: int, padding: float = 0.0) -> tuple[Tensor, Tensor]:
    """Random events of so many rows, and ``padding`` behind them."""
    longest = max(lengths)
    events = torch.randn(len(lengths), longest, WIDTH, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    return torch.where(mask.unsqueeze(2), events, padding), mask


@every_backbone
@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_padding_never_matters(name: str, lengths: list[int], seed: int) -> None:
    with torch.inference_mode():
        one, other = (ENCODERS[name](*rows_of(lengths, seed, padding)) for padding in (0.0, 1e3))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@every_backbone
@few
@given(lengths=lengths_of_rows, seed=st.integers(0, 99))
def test_a_row_does_not_depend_on_the_others(name: str, lengths: list[int], seed: int) -> None:
    events, mask = rows_of(lengths, seed)
    with torch.inference_mode():
        together = ENCODERS[name](events, mask)
        for row, length in enumerate(lengths):
            alone = ENCODERS[name](events[row : row + 1, :length], mask[row : row + 1, :length])
            torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-5)
            assert bool(together[row].any()) == (length > 0)


@every_backbone
@pytest.mark.parametrize("changed", range(LONGEST))
def test_every_event_matters(name: str, changed: int) -> None:
    events, mask = rows_of([LONGEST], 1)
    other = events.clone()
    other[0, changed] += 1.0 * torch.arange(WIDTH)  # no constant: a layer norm would take it away
    with torch.inference_mode():
        assert not torch.allclose(ENCODERS[name](events, mask), ENCODERS[name](other, mask), atol=1e-6)


@every_backbone
def test_it_learns_through_every_event(name: str) -> None:
    events, mask = rows_of([3, LONGEST, 0], 2)
    events.requires_grad_()
    out = ENCODERS[name](events, mask)
    assert out.shape == (3, WIDTH)
    assert out.dtype == torch.float32
    # Not a plain sum: those of layer-normed states are constant.
    (gradient,) = torch.autograd.grad((out * torch.arange(WIDTH)).sum(), events)
    assert torch.equal(gradient.ne(0).any(2), mask)
    assert bool(gradient.isfinite().all())


def test_an_unknown_name_lists_every_known_one() -> None:
    with pytest.raises(ModelError) as raised:
        build_backbone("lstm", WIDTH, LONGEST)
    assert "lstm" in str(raised.value)
    assert all(name in str(raised.value) for name in BACKBONES)
