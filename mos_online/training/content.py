"""What the catalogue says of items is made to tell as much as it can of their rows."""

from __future__ import annotations

import torch

from mos_online.model.sequence_model import SequenceModel

PRIOR = 3.0
"""The projection is drawn towards zero as if each direction had so many more items, with rows of zeros."""


@torch.no_grad()
def predict_rows(model: SequenceModel) -> None:
    """Set the projection of ``model.content`` to what predicts the rows of the trained items best, by ridge regression.

    While a model is trained, the rows of its items learn what their content could have told. Here that is given back:
    the projection takes what it can predict, and the items' own rows keep the rest. So a trained item stays what it is,
    and one that is not trained gets the row that items of such a content have (as in CB2CF, Barkan et al. 2019).

    Args:
        model: changed in place; without content nothing happens.
    """
    if not model.config.content:
        return
    content, trained = model.content, model.item_known > 0
    vectors = content.vectors[trained].double()
    own = model.item.weight[trained].double()
    before = content.project.weight.double().T
    rows = own + vectors @ before
    eye = torch.eye(vectors.shape[1], dtype=torch.float64, device=vectors.device)
    after = torch.linalg.solve(vectors.T @ vectors + PRIOR * eye, vectors.T @ rows)
    content.project.weight.copy_(after.T)
    model.item.weight[trained] = (rows - vectors @ after).float()
