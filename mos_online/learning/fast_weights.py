"""Fast weights: what turns the scores of an answer into click probabilities, renewed every second."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from mos_online.contracts import RankedItem
from mos_online.learning.canonical import canonical
from mos_online.learning.cells import sigmoid
from mos_online.learning.score_map import Curve

GRID = 1e6
"""Probabilities in answers are whole multiples of 1 / GRID: short in JSON."""


class ModelWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model version.

    Attributes:
        version: a function of the content.
        curve: from scores to probabilities.
        offsets: what is added to the log odds, by theme.
    """

    version: str
    curve: Curve
    offsets: dict[int, float]

    @classmethod
    def of(cls, curve: Curve, offsets: dict[int, float]) -> ModelWeights:
        """The weights, with their version."""
        digest = blake2b(canonical([curve, offsets]), digest_size=6).hexdigest()
        return cls(version=f"f-{digest}", curve=curve, offsets=offsets)

    def p_click(self, x: float, position: int, theme: int) -> float:
        """The probability that an item is clicked if it is displayed.

        Args:
            x: log of the model's chance of the item, ``score - score_level``.
            position: where it is displayed, counted from 0.
            theme: of the item; a theme that is not known adds nothing.
        """
        return sigmoid(self.curve.log_odds(x, position) + self.offsets.get(theme, 0.0))

    def applied(self, items: Sequence[RankedItem], level: float) -> list[RankedItem]:
        """The items of an answer with their probabilities, if they are displayed as they are ranked.

        Args:
            items: best first.
            level: ``score_level`` of the answer.
        """
        return [
            RankedItem(
                item_id=item.item_id,
                score=item.score,
                theme=item.theme,
                together_with=item.together_with,
                p_click=int(self.p_click(item.score - level, position, item.theme) * GRID + 0.5) / GRID,
            )
            for position, item in enumerate(items)
        ]


class FastWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Of one arm, as the online store has them.

    Attributes:
        arm: of the experiment, "champion" without one.
        as_of: event time (ms) of the newest outcome that was learned.
        models: by model version. An answer of another model gets no probabilities.
    """

    arm: str
    as_of: int
    models: dict[str, ModelWeights]

    def encoded(self) -> bytes:
        """As JSON; equal weights give equal bytes."""
        return canonical(self)

    @classmethod
    def decode(cls, raw: bytes) -> FastWeights:
        """What ``encoded`` gave.

        Raises:
            msgspec.DecodeError: these are no fast weights.
        """
        return msgspec.json.decode(raw, type=cls)
