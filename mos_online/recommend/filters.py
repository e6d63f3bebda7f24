"""Which candidates a user must not get."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mos_online.recommend.candidates import Candidates
from mos_online.recommend.query import Query


def exclude(scores: Tensor, queries: Sequence[Query], candidates: Candidates) -> None:
    """Set the scores of each query's excluded items to minus infinity, in place; scores: float32 (B, items)."""
    for row, query in enumerate(queries):
        excluded = [candidates.rows[item] for item in query.exclude if item in candidates.rows]
        if excluded:
            scores[row, candidates.slot[excluded]] = -torch.inf
