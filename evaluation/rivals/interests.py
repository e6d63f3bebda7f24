"""Several vectors per user, learned by attention: ComiRec."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mos_online.model.backbone import from_newest, pooled
from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.user_vectors import PairVectors, UserVectors


class ComiRec(SequenceModel):
    """ComiRec-SA (Cen et al., KDD 2020): K interests by self-attentive pooling; a candidate is scored by its best one.

    In training the best interest of the target is the one that learns, as the maximum lets the gradient through to it
    alone.
    """

    def __init__(self, config: MoSConfig, interests: int = 4) -> None:
        super().__init__(config)
        d = config.width
        self.interests = interests
        self.position = nn.Embedding(config.recent, d)
        nn.init.normal_(self.position.weight, std=0.02)
        self.first, self.second = nn.Linear(d, 4 * d), nn.Linear(4 * d, interests)

    def encode(self, batch: Batch) -> UserVectors:
        """``themed`` holds the interests, (B, interests, d)."""
        events = self.read_events(batch.items, batch.ages, batch.mask)
        if events.shape[1] == 0:
            return UserVectors.single(events.new_zeros(len(events), events.shape[2]))
        place = self.position(from_newest(batch.mask, self.config.recent))
        logits = self.second(torch.tanh(self.first(events + place)))
        vectors = pooled(logits.transpose(1, 2), events, batch.mask)
        none = vectors.new_zeros(len(vectors), vectors.shape[1])
        return UserVectors(themed=vectors, bias=none, base=vectors.mean(1), gates=none)

    def _match(self, users: UserVectors, rows: Tensor, themes: Tensor) -> Tensor:
        return (users.themed @ rows.T).amax(1)

    def pair_vectors(self, batch: Batch, candidates: Tensor) -> PairVectors:
        """The best interest of each candidate."""
        users = self.encode(batch)
        best = (self.item_rows(candidates) @ users.themed.transpose(1, 2)).argmax(2)
        wanted = best.unsqueeze(-1).expand(-1, -1, self.config.width)
        base = users.base.unsqueeze(1).expand_as(wanted)
        return PairVectors(vectors=users.themed.gather(1, wanted), bias=base.new_zeros(candidates.shape), base=base)
