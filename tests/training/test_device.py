"""Where a model is fitted makes no difference to what it learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mos_online.errors import ModelError
from mos_online.model import BACKBONES, MoS
from mos_online.model.batch import History, collate
from mos_online.model.dropout import Dropout
from mos_online.model.realtime import Realtime
from mos_online.training.device import choose_device
from mos_online.training.examples import Examples
from mos_online.training.loss import WHOLE, ranking_loss

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def _examples(items: int) -> Examples:
    """Four users with histories of several lengths, one of them without any."""
    draw = np.random.default_rng(0)
    histories = [
        History(
            items=draw.integers(1, items + 1, length),
            times=np.sort(draw.integers(0, 10**9, length)),
            now=10**9,
            rings={theme: (draw.integers(1, items + 1, 3), np.arange(3) * 1000) for theme in range(1, length % 3 + 1)},
            theme_sessions=dict.fromkeys(range(1, length % 3 + 1), 2),
        )
        for length in (0, 1, 5, 8)
    ]
    return Examples(
        batch=collate(histories),
        targets=torch.tensor([1, 2, 0, 3]),
        sizes=[3, 1],
        seen=[items, items - 5],
        popular=[Realtime(popular=torch.arange(1, 20), facts=torch.rand(19, 3), placed=torch.rand(2, 19, 2))] * 2,
    )


@ON_GPU
@pytest.mark.parametrize("backbone", sorted(name for name, cls in BACKBONES.items() if not cls.target_aware))
@pytest.mark.parametrize("items", [50, WHOLE + 50])
def test_loss_and_gradients_on_a_gpu_are_those_on_the_processor(backbone: str, items: int) -> None:
    torch.manual_seed(0)
    model = MoS(
        backbone=backbone, items=items, categories=3, themes=4, width=16, table=0
    ).train()  # cuDNN has no backward in evaluation
    for part in model.modules():
        if isinstance(part, Dropout):
            part.p = 0.0
    data = _examples(items)
    found = []
    for device in ("cpu", "cuda"):
        model.to(device).zero_grad()
        loss = ranking_loss(model, data, torch.Generator().manual_seed(0))
        loss.backward()
        gradient = model.item.weight.grad
        assert gradient is not None
        found.append((loss.item(), gradient.cpu().clone()))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cuda" if not torch.cuda.is_available() else "cuda:98"])
def test_a_device_that_is_not_here_is_named_with_the_remedy(name: str) -> None:
    with pytest.raises(ModelError, match="choose auto, cpu or cuda"):
        choose_device(name)


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
