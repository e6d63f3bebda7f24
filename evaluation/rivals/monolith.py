"""One vector per user from the whole recent history: the backbone by itself, or any mixture in its place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mos_online.model.backbone import Backbone
from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.user_vectors import PairVectors, UserVectors


class Monolith(SequenceModel):
    """score(u, x) = <g, e_x>, with g the encoder's state of all recent events; the rest is as in MoS.

    Args:
        config: ``recent`` and the item side count.
        make: builds the encoder, a backbone or a mixture that keeps its contract.
    """

    def __init__(self, config: MoSConfig, make: Callable[[], Backbone]) -> None:
        super().__init__(config)
        self.encoder = make()
        self.nobody = nn.Parameter(torch.zeros(config.width))
        self.target_aware = self.encoder.target_aware

    def encode(self, batch: Batch) -> UserVectors:
        """Give each user one vector.

        Raises:
            ModelError: the encoder reads the candidate.
        """
        if self.target_aware:
            return super().encode(batch)
        return UserVectors.single(self._read(batch, None))

    def pair_vectors(self, batch: Batch, candidates: Tensor) -> PairVectors:
        """The encoder's state for each candidate (B, C)."""
        if not self.target_aware:
            return super().pair_vectors(batch, candidates)
        state = self._read(batch, self.item_rows(candidates))
        return PairVectors(vectors=state, bias=state.new_zeros(candidates.shape), base=state)

    def _read(self, batch: Batch, target: Tensor | None) -> Tensor:
        events = self.read_events(batch.items, batch.ages, batch.mask)
        state = self.encoder(events, batch.mask, target)
        self.penalty = self.encoder.penalty
        known = batch.mask.any(1).view(-1, *(1 for _ in state.shape[1:]))
        return torch.where(known, state, self.nobody)
