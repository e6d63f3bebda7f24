"""MoS, Mixture of Sequence: global, short-term and theme experts fused by residual gates that start closed.

Sessions that hop between themes are routed into theme-coherent subsequences (idea: arXiv 2604.20858). Encoders, gates,
top-K form and everything live are our design; docs/model.md says which is which.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mos_online.errors import ModelError
from mos_online.model.backbone import build_backbone
from mos_online.model.batch import Batch

AGE_BUCKETS = 16
"""Logarithmic buckets of the time since an event: under 10 s, then growing by a factor of 2.6."""

LIVE_FEATURES = 4
"""Live features of a candidate, see ``live_features``."""

LOG_SHARE = 4.0
"""Scale of the logarithm of a share in the live features."""

CLOSED = -2.0
"""Initial bias of the gates: sigmoid(-2) = 0.12 of an expert passes."""


@dataclass(frozen=True, kw_only=True)
class MoSConfig:
    """Sizes of the model.

    Attributes:
        backbone: name of the global expert, see ``mos_online.model.backbone``.
        items, categories: rows of the embeddings without row 0, which stands for "unknown".
        themes: K.
        width: d.
        recent: events the global expert reads; short: of which the short-term expert reads the last.
        theme_ring: events of a theme that the theme expert reads.
        live: length of a candidate's live embedding.
        id_dropout: share of item ids hidden in training, so that category rows learn to stand alone.
    """

    backbone: str = "gru4rec"
    items: int
    categories: int
    themes: int
    width: int = 48
    recent: int = 50
    short: int = 10
    theme_ring: int = 20
    live: int = 8
    id_dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.items, self.themes, self.width, self.recent, self.short, self.theme_ring, self.live) < 1:
            raise ModelError(f"every size of a model must be at least 1, got {self}")


@dataclass(frozen=True, kw_only=True)
class UserVectors:
    """B users, ready to score.

    Attributes:
        themed: float32 (B, K + 1, d); row k scores the items of theme k, row 0 the unrouted ones.
        live: float32 (B, live), scores the candidates' live embeddings.
        gates: float32 (B, K + 1); 0 where the user has no ring of the theme; column 0 is the short-term gate.
    """

    themed: Tensor
    live: Tensor
    gates: Tensor


class MoS(nn.Module):
    """u_k = g + sigmoid(gamma_s) h_s + [n_k > 0] sigmoid(gamma_k) h_k; score(x) = scale <u_theme(x), e_x> + live terms.

    g is the backbone's state of the recent events, h_s a small encoder's of the last few, h_k the one shared theme
    encoder's of the ring of theme k. An item's row e_x is the sum of its own and its category's, so that an item the
    model has never seen is still its category's.
    """

    def __init__(self, config: MoSConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.item = nn.Embedding(config.items + 1, d, padding_idx=0)
        self.category = nn.Embedding(config.categories + 1, d, padding_idx=0)
        self.age = nn.Embedding(AGE_BUCKETS, d)
        self.theme = nn.Embedding(config.themes + 1, d)
        for table, spread in ((self.item, 0.05), (self.category, 0.05), (self.age, 0.05), (self.theme, 0.05)):
            nn.init.normal_(table.weight, std=spread)
        with torch.no_grad():
            self.item.weight[0] = 0
            self.category.weight[0] = 0
        self.register_buffer("item_category", torch.zeros(config.items + 1, dtype=torch.int64))
        self.register_buffer("item_theme", torch.zeros(config.items + 1, dtype=torch.int64))
        self.register_buffer("item_known", torch.zeros(config.items + 1))
        self.item_category: Tensor
        self.item_theme: Tensor
        self.item_known: Tensor
        self.nobody = nn.Parameter(torch.zeros(d))
        self.global_expert = build_backbone(config.backbone, d, config.recent)
        self.short_expert = build_backbone("gru4rec", d, config.short)
        self.theme_expert = build_backbone(config.backbone, d, config.theme_ring)
        self.short_gate = nn.Linear(d + 1, 1)
        self.theme_gate = nn.Linear(2 * d + 3, 1)
        for gate in (self.short_gate, self.theme_gate):
            nn.init.zeros_(gate.weight)
            nn.init.constant_(gate.bias, CLOSED)
        self.live = nn.Sequential(nn.Linear(LIVE_FEATURES, 16), nn.GELU(), nn.Linear(16, config.live + 1))
        self.live_user = nn.Linear(d, config.live)
        self.prior = nn.Parameter(torch.tensor([0.5, 0.5]))
        self.scale = nn.Parameter(torch.tensor(math.log(8.0)))
        self.repeat = nn.Embedding(AGE_BUCKETS, 1)
        nn.init.zeros_(self.repeat.weight)
        self.dropout = nn.Dropout(0.1)

    def set_catalogue(self, category: Tensor, theme: Tensor, known: Tensor) -> None:
        """What is known of each item row, (items + 1,).

        Args:
            category: int64, 1.. or 0 where unknown.
            theme: int64, 1..K or 0 where unrouted.
            known: float32, 1 where the row has been trained; 0 where only the category's row counts.
        """
        self.item_category.copy_(category)
        self.item_theme.copy_(theme)
        self.item_known.copy_(known)

    def start_from(self, rows: Tensor) -> None:
        """Give items their first rows, float32 (items + 1, d), unit or zero: what goes together starts out alike."""
        with torch.no_grad():
            self.item.weight.mul_(rows.norm(dim=1, keepdim=True) == 0)
            self.item.weight.add_(rows)

    def item_rows(self, items: Tensor) -> Tensor:
        """e_x of items (...,) -> (..., d)."""
        own = self.item(items) * self.item_known[items].unsqueeze(-1)
        if self.training and self.config.id_dropout:
            keep = torch.rand(items.shape) >= self.config.id_dropout
            own = own * keep.unsqueeze(-1)
        rows: Tensor = own + self.category(self.item_category[items])
        return rows

    def encode(self, batch: Batch) -> UserVectors:
        """The experts' reading of B users, fused."""
        events = self.dropout(self.item_rows(batch.items) + self.age(age_bucket(batch.ages)))
        overall = self.global_expert(events, batch.mask)
        known = batch.mask.any(1, keepdim=True)
        overall = torch.where(known, overall, self.nobody)
        recent, recent_mask = _tail(events, batch.mask, self.config.short)
        short = self.short_expert(recent, recent_mask)
        length = torch.log1p(batch.mask.sum(1, keepdim=True).float())
        short_gate = torch.sigmoid(self.short_gate(torch.cat([overall, length], 1)))
        base = overall + short_gate * short
        rows, width = base.shape
        themed = base.unsqueeze(1).repeat(1, self.config.themes + 1, 1)
        gates = torch.zeros(rows, self.config.themes + 1)
        gates[:, 0] = short_gate[:, 0].detach()
        if len(batch.ring_user):
            state, gate = self._themes(batch, overall)
            slot = batch.ring_user * (self.config.themes + 1) + batch.ring_theme
            themed = themed.view(-1, width).index_add(0, slot, gate * state).view_as(themed)
            gates.view(-1)[slot] = gate[:, 0].detach()
        return UserVectors(themed=themed, live=self.live_user(base), gates=gates)

    def _themes(self, batch: Batch, overall: Tensor) -> tuple[Tensor, Tensor]:
        """States (M, d) and gates (M, 1) of the non-empty rings."""
        name = self.theme(batch.ring_theme)
        events = self.item_rows(batch.ring_items) + self.age(age_bucket(batch.ring_ages)) + name.unsqueeze(1)
        state = self.theme_expert(self.dropout(events), batch.ring_mask)
        count = batch.ring_mask.sum(1)
        newest = batch.ring_ages[torch.arange(len(count)), (count - 1).clamp(min=0)]
        facts = torch.stack(
            [torch.log1p(count.float()), torch.log1p(newest) / 10, torch.log1p(batch.ring_sessions)], dim=1
        )
        gate = torch.sigmoid(self.theme_gate(torch.cat([overall[batch.ring_user], name, facts], 1)))
        return state, gate

    def live_rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Live features (C, LIVE_FEATURES) -> embeddings (C, live) and biases (C,).

        The bias starts at the log of the item's recent share of the clicks: an untrained model ranks by popularity.
        """
        out = self.live(features)
        return out[:, :-1], out[:, -1] + LOG_SHARE * features[:, :2] @ self.prior

    def score(self, users: UserVectors, candidates: Tensor, themes: Tensor, features: Tensor) -> Tensor:
        """Scores (B, C) of the same C candidates for every user.

        Args:
            users: from ``encode``.
            candidates: int64 (C,) item indices.
            themes: int64 (C,), the candidates' themes.
            features: float32 (C, LIVE_FEATURES), see ``live_features``.
        """
        rows = self.item_rows(candidates) * self.scale.exp()
        live, bias = self.live_rows(features)
        scores = users.live @ live.T + bias
        order = torch.argsort(themes, stable=True)
        counts = torch.bincount(themes, minlength=self.config.themes + 1).tolist()
        pieces = [users.themed[:, theme] @ part.T for theme, part in enumerate(rows[order].split(counts))]
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        return scores + torch.cat(pieces, 1)[:, back]

    def add_repeats(self, scores: Tensor, batch: Batch, slot: Tensor) -> Tensor:
        """Add to scores (B, C), for every recent event of an item, a learned bias by the age of the event.

        In news a clicked article is done with, in a shop or a city one returns; both are learned.

        Args:
            scores: of the candidates.
            batch: the users.
            slot: int64 (items + 1,), the column of each item row, -1 for those that are no candidates.
        """
        columns = slot[batch.items]
        rows, at = torch.nonzero((columns >= 0) & batch.mask, as_tuple=True)
        bias = self.repeat(age_bucket(batch.ages[rows, at])).squeeze(-1)
        return scores.index_put((rows, columns[rows, at]), bias, accumulate=True)


def age_bucket(seconds: Tensor) -> Tensor:
    """Logarithmic bucket 0..AGE_BUCKETS-1 of a time span in seconds; 0 is under 10 s, 15 is two months and more.

    >>> age_bucket(torch.tensor([0.0, 10.0, 1800.0, 86400.0, 1e9])).tolist()
    [0, 0, 6, 10, 15]
    """
    return (torch.log(seconds.clamp(min=1) / 4) / math.log(2.6)).clamp(0, AGE_BUCKETS - 1).long()


def live_features(share: Tensor, slow_share: Tensor, age_hours: Tensor, known: Tensor) -> Tensor:
    """Live features of C candidates, float32 (C, LIVE_FEATURES).

    Args:
        share: the item's share of the decayed clicks of all items, 0 where it has none.
        slow_share: likewise with a half-life ``SLOW`` times as long.
        age_hours: since its first click, 0 where unknown.
        known: 1 where the item has a row of its own, else 0.
    """
    fast, slow = (torch.log(part + 1e-5) / LOG_SHARE + 2 for part in (share, slow_share))
    return torch.stack([fast, slow, torch.log1p(age_hours) / 4, known], dim=1)


def _tail(events: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The last ``size`` events of each row, events first: (B, min(size, T), d) and its mask."""
    size = min(size, events.shape[1])
    count = mask.sum(1, keepdim=True)
    at = (count - size).clamp(min=0) + torch.arange(size)
    kept = at < count
    at = at.clamp(max=max(events.shape[1] - 1, 0))
    return events.gather(1, at.unsqueeze(-1).expand(-1, -1, events.shape[2])), kept
