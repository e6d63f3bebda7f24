"""What the catalogue says of items tells as much as it can of their rows."""

from __future__ import annotations

import torch

from mos_online.model import MoS
from mos_online.training.content import predict_rows


def test_trained_items_stay_and_others_get_the_rows_of_items_of_like_content() -> None:
    torch.manual_seed(0)
    model = MoS(items=60, categories=2, themes=2, width=8, content=4).eval()
    kind = torch.arange(61) % 2
    vectors = torch.nn.functional.normalize(torch.eye(4)[kind] + 0.1 * torch.randn(61, 4), dim=1)
    known = (torch.arange(61) <= 50).float()
    nothing = torch.zeros(61, dtype=torch.int64)
    model.set_catalogue(nothing, nothing, known, content=vectors)
    clicks = torch.where(torch.arange(61) <= 20, 0.0, 9.0)
    directions = torch.nn.functional.normalize(torch.randn(2, 8), dim=1)
    with torch.no_grad():
        model.item.weight[1:] = directions[kind[1:]] + 0.05 * torch.randn(60, 8)
        model.item.weight[1:21] = torch.randn(20, 8)  # nobody has clicked them: noise that must not count
        everything = torch.arange(1, 61)
        before = model.item_rows(everything)
        predict_rows(model, clicks)
        after = model.item_rows(everything)
    torch.testing.assert_close(after[:50], before[:50], rtol=0, atol=1e-5)
    cosines = torch.nn.functional.cosine_similarity(after[50:, None], directions[None], dim=2)
    assert (cosines.gather(1, kind[51:, None]) > 0.9).all()
    assert (model.item.weight[21:51].norm(dim=1) < before[20:50].norm(dim=1)).all()


def test_without_a_catalogue_nothing_changes() -> None:
    model = MoS(items=3, themes=2, width=4)
    before = model.item.weight.clone()
    predict_rows(model, torch.ones(4))
    assert torch.equal(model.item.weight, before)
