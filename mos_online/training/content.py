"""What the catalogue says of items is made to tell as much as it can of their rows."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.sequence_model import SequenceModel

PRIOR = 0.1
"""The projection is drawn towards zero as if each direction had so many more items, with rows of zeros."""

FEW = 20.0
"""An item with so many clicks counts half of one with many: its row has learned less."""


@torch.no_grad()
def predict_rows(model: SequenceModel, clicks: Tensor) -> None:
    """Set the projection of ``model.content`` to what predicts the rows of the trained items best.

    It is a ridge regression, in which items count by their clicks. While a model is trained, the rows of its items
    learn what their content could have told. Here that is given back: the projection takes what it can predict, and the
    items' own rows keep the rest. So a trained item stays what it is, and one that is not trained gets the row that
    items of such a content have (as in CB2CF, Barkan et al. 2019).

    Args:
        model: changed in place; without content nothing happens.
        clicks: float32 (items + 1,), on each item row, that the model has learned from.
    """
    if not model.config.content:
        return
    content, trained = model.content, model.item_known > 0
    vectors = content.vectors[trained].double()
    own = model.item.weight[trained].double()
    before = content.project.weight.double().T
    rows = own + vectors @ before
    weights = (clicks / (clicks + FEW)).to(vectors)[trained].unsqueeze(1)
    eye = torch.eye(vectors.shape[1], dtype=torch.float64, device=vectors.device)
    after = torch.linalg.solve(vectors.T @ (weights * vectors) + PRIOR * eye, vectors.T @ (weights * rows))
    content.project.weight.copy_(after.T)
    model.item.weight[trained] = (rows - vectors @ after).float()
