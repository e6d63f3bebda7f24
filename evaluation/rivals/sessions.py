"""Models that know where a session ends: HRNN and a causal DSIN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mos_online.model.batch import Batch
from mos_online.model.config import MoSConfig
from mos_online.model.sequence_model import SequenceModel
from mos_online.model.user_vectors import UserVectors

GAP = 1800.0
"""Seconds without an event that end a session."""


class SessionModel(SequenceModel):
    """Base: borders are where two neighbouring events lie more than ``gap`` seconds apart."""

    def __init__(self, config: MoSConfig, gap: float = GAP) -> None:
        super().__init__(config)
        self.gap = gap

    def encode(self, batch: Batch) -> UserVectors:
        """Give each user one vector."""
        events = self.read_events(batch.items, batch.ages, batch.mask)
        if events.shape[1] == 0:
            return UserVectors.single(events.new_zeros(len(events), events.shape[2]))
        return UserVectors.single(self.read(events, batch.mask, self.borders(batch)))

    def borders(self, batch: Batch) -> Tensor:
        """True at the first event of each session but the first, bool (B, T)."""
        apart = batch.ages[:, :-1] - batch.ages[:, 1:] > self.gap
        return torch.cat([torch.zeros_like(batch.mask[:, :1]), apart], 1) & batch.mask

    def read(self, events: Tensor, mask: Tensor, borders: Tensor) -> Tensor:
        """Events (B, T, d) and their borders -> (B, d)."""
        raise NotImplementedError


class HRNN(SessionModel):
    """Hierarchical GRU (Quadrana et al., RecSys 2017): at a border the user reads the session and starts the next.

    The last event is added, as in GRU4Rec.
    """

    def __init__(self, config: MoSConfig, gap: float = GAP) -> None:
        super().__init__(config, gap)
        self.session, self.user = nn.GRUCell(config.width, config.width), nn.GRUCell(config.width, config.width)
        self.start = nn.Linear(config.width, config.width)

    def read(self, events: Tensor, mask: Tensor, borders: Tensor) -> Tensor:
        """Read the events one by one."""
        state, user = events.new_zeros(2, len(events), events.shape[2])
        last = torch.zeros_like(state)
        for event, known, border in zip(events.unbind(1), mask.unbind(1), borders.unbind(1), strict=True):
            over, here = border.unsqueeze(1), known.unsqueeze(1)
            if bool(border.any()):
                user = torch.where(over, self.user(state, user), user)
                state = torch.where(over, torch.tanh(self.start(user)), state)
            state = torch.where(here, self.session(event, state), state)
            last = torch.where(here, event, last)
        out: Tensor = state + last
        return out


class DSIN(SessionModel):
    """Deep session interests (Feng et al., IJCAI 2019), causal: self-attention inside sessions, a GRU over their means.

    The paper's Bi-LSTM over sessions looks ahead, which no stream can; a GRU stands for it. The candidate's attention
    over sessions is the last event's here, so that one vector scores all candidates. The last event is added.
    """

    def __init__(self, config: MoSConfig, gap: float = GAP, heads: int = 2) -> None:
        super().__init__(config, gap)
        d = config.width
        self.inside = nn.MultiheadAttention(d, heads, batch_first=True)
        self.norm = nn.LayerNorm(d)
        self.over = nn.GRU(d, d, batch_first=True)
        self.heads = heads

    def read(self, events: Tensor, mask: Tensor, borders: Tensor) -> Tensor:
        """Attention over (T, T), a GRU over the sessions."""
        session = borders.cumsum(1)
        apart = (session.unsqueeze(1) != session.unsqueeze(2)) | ~mask.unsqueeze(1)
        apart = apart & ~torch.eye(apart.shape[1], dtype=torch.bool)
        inner, _ = self.inside(
            events, events, events, attn_mask=apart.repeat_interleave(self.heads, 0), need_weights=False
        )
        inner = self.norm(events + inner).masked_fill(~mask.unsqueeze(2), 0.0)
        count = int(session.max()) + 1
        sums = events.new_zeros(len(events), count, events.shape[2])
        sums = sums.scatter_add(1, session.unsqueeze(2).expand_as(inner), inner)
        sizes = events.new_zeros(len(events), count).scatter_add(1, session, mask.to(events.dtype))
        means = sums / sizes.clamp(min=1).unsqueeze(2)
        known = sizes > 0
        states, _ = self.over(means)
        last = events[torch.arange(len(events)), (mask.sum(1) - 1).clamp(min=0)]
        logits = torch.einsum("bsd,bd->bs", states, last) * events.shape[2] ** -0.5
        some = mask.any(1, keepdim=True)
        weights = logits.masked_fill(~known & some, -torch.inf).softmax(1)
        state: Tensor = torch.einsum("bs,bsd->bd", weights, states)
        state = (state + last) * some
        return state
