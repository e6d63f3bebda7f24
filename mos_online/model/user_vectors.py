"""The vectors of users, from which scores are computed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class UserVectors:
    """The vectors of B users, from which scores are computed.

    Attributes:
        themed: float32 (B, V, d): V = K + 1, where row k scores the items of theme k and row 0 the unrouted ones, or
            V = 1 where one vector scores everything.
        bias: float32 (B, V), added to the scores of the items of each theme.
        base: float32 (B, d), what weighs the real-time features.
        gates: float32 (B, V), of a MoS: the share of the theme expert, 0 where the user has no ring of the theme;
            column 0 is the share of the short-term expert where no ring is open.
    """

    themed: Tensor
    bias: Tensor
    base: Tensor
    gates: Tensor

    @classmethod
    def single(cls, vectors: Tensor) -> UserVectors:
        """User vectors of a model with one vector (B, d) per user, which scores all items."""
        none = vectors.new_zeros(len(vectors), 1)
        return cls(themed=vectors.unsqueeze(1), bias=none, base=vectors, gates=none)


@dataclass(frozen=True, kw_only=True)
class PairVectors:
    """The vectors of B users for C candidates each, from which the scores of these pairs are computed.

    Attributes:
        vectors: float32 (B, C, d), u_x.
        bias: float32 (B, C), added to the scores.
        base: float32 (B, C, d), what weighs the real-time features.
    """

    vectors: Tensor
    bias: Tensor
    base: Tensor
