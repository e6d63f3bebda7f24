"""Scores of all candidates for a batch of users."""

from __future__ import annotations

import torch
from torch import Tensor

from mos_online.model.batch import Batch
from mos_online.model.mos import MoS
from mos_online.model.user_vectors import UserVectors
from mos_online.recommend.candidates import Candidates


def scores_of(model: MoS, users: UserVectors, batch: Batch, candidates: Candidates) -> Tensor:
    """Score every candidate by the user vector of its own theme: one matrix product per theme, exact.

    Neighbours and popularity are not in it; ``Mixing.mix`` mixes them in.

    Returns:
        float32 (B, items), columns in the order of ``candidates.order``.
    """
    ones = torch.ones(len(users.base), 1)
    tail = torch.cat([model.realtime_user(users.base), ones], 1)
    pieces = [
        torch.cat([users.themed[:, theme], tail], 1) @ part + users.bias[:, theme, None]
        for theme, part in enumerate(candidates.parts)
    ]
    return model.add_repeats(torch.cat(pieces, 1), batch, candidates.slot)
