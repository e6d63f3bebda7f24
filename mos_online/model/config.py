"""The sizes of a model."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.errors import ModelError
from mos_online.users.ring_sizes import RingSizes

AGE_BUCKETS = 16
"""Logarithmic buckets of the time since an event: under 10 s, then growing by a factor of 2.6."""

REALTIME_FEATURES = 4
"""The number of real-time features of a candidate, see ``mos_online.model.realtime``."""


@dataclass(frozen=True, kw_only=True)
class MoSConfig:
    """Sizes of a MoS, or of a model that is compared with it.

    Attributes:
        backbone: name of the global expert, see ``mos_online.model.backbone``.
        items, categories: rows of the embeddings without row 0, which stands for "unknown".
        themes: K.
        width: d.
        recent: how many of the last events the global expert reads.
        short: how many of these the short-term expert reads.
        theme_ring: how many of the last events of a theme the theme expert reads.
        table: d_r, length of the frozen routing vectors that are part of every item's row; 0 leaves them out.
        content: d_c, length of the vectors of what the catalogue says of items; 0 leaves them out.
        realtime: length of the embedding of a candidate's real-time features.
        gap_ms: a session ends when its user is silent for longer; what is mixed in differs at the start of one.
        id_dropout: share of item ids hidden in training, so that category rows learn to stand alone.

    Raises:
        ModelError: a size is out of range.
    """

    backbone: str = "pooling"
    items: int
    categories: int = 0
    themes: int
    width: int = 48
    recent: int = RingSizes.recent
    short: int = 10
    theme_ring: int = RingSizes.theme
    table: int = 0
    content: int = 0
    realtime: int = 8
    gap_ms: int = 30 * 60_000
    id_dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.items, self.themes, self.width, self.recent, self.short, self.theme_ring, self.realtime) < 1:
            raise ModelError(f"every size of a model must be at least 1, got {self}")
        if min(self.categories, self.table, self.content, self.gap_ms) < 0 or not 0 <= self.id_dropout < 1:
            raise ModelError(
                f"categories, table, content and gap_ms must be at least 0 and id_dropout in [0, 1), got {self}"
            )
