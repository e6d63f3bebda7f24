"""The protocol of the walk-forward comparison."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.training import TrainConfig

HOUR = 3_600_000
"""In ms."""


@dataclass(frozen=True, kw_only=True)
class WalkForwardConfig:
    """How a log is cut into steps, learned and judged.

    Attributes:
        start: share of the log's events before the first step.
        hours, steps: length of a step, and how many.
        anew: steps after which the models that are retrained are fitted from scratch.
        judged: positions per step, at most; history: events that a user needs before one.
        examples, newest: positions of a fit and of an update, at most; the newest before it.
        themes, negatives, moment: as in ``ExperimentConfig``; negatives come from the ``hours`` before.
        watched, fresh: positions that share one view of what is popular: those that stop a fit, and judged ones.
        seed: of users, negatives and routers.
    """

    start: float = 0.5
    hours: float = 6.0
    steps: int = 12
    anew: int = 4
    judged: int = 600
    history: int = 3
    examples: int = 60_000
    newest: int = 30_000
    themes: int = 8
    negatives: int = 4
    moment: int = 128
    watched: int = TrainConfig.fresh
    fresh: int = 1
    seed: int = 0

    @property
    def step_ms(self) -> int:
        """Length of a step in ms."""
        return int(self.hours * HOUR)

    @property
    def refits(self) -> range:
        """Steps before which the models that are retrained are fitted, the first included."""
        return range(0, self.steps, self.anew)
