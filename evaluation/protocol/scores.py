"""What a model said of every test position, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats32
from mos_online.model import SequenceModel


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a model said of positions (n,), m fixed negatives each.

    Attributes:
        logits: float32 (n, 1 + m), log p(x|u) - log q(x), with q the popularity by which negatives were drawn; column
            0 is the target. nan where a negative is missing.
        themed: float32 (n, 1 + m), the same against negatives of the target's theme.
        ranks: int32 (n,), the target's rank in the whole catalogue, 1 is best; 0 where not ranked.
    """

    logits: Floats32
    themed: Floats32
    ranks: NDArray[np.int32]


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of one part of the positions after the other."""
    names = [one.name for one in fields(Scores)]
    return Scores(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One candidate model with one seed: what came out.

    Attributes:
        scores: on the test positions.
        validation: quality on the validation positions, see ``Reached.both``; None for models that are not fitted.
        rate: the learning rate.
        alike: whether items that share sessions started out alike.
        passes: over the training positions.
        seconds, seconds_scoring: of fitting; of scoring the test positions.
        parameters: outside of the embeddings of items and categories.
    """

    scores: Scores
    validation: float | None
    rate: float
    alike: bool
    passes: int
    seconds: float
    seconds_scoring: float
    parameters: int


def parameters(model: SequenceModel) -> int:
    """How many trained numbers there are outside of the embeddings of items and categories."""
    tables = {id(model.item.weight), id(model.category.weight)}
    return sum(weight.numel() for weight in model.parameters() if id(weight) not in tables)
