"""How a champion is fine-tuned and judged."""

from __future__ import annotations

from dataclasses import dataclass

from mos_online.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class FineTuneConfig:
    """How a champion is fine-tuned.

    Attributes:
        examples: at most so many positions are learned from, the newest ones and the replayed ones.
        minutes: of wall-clock time; the pass is cut short then.
        replay: share of the examples that are older than what the champion has learned.
        replay_days: so much older, at most.
        held_out: share of the new event time, the newest, that is never learned from.
        fewest: positions that must be held out, else there is nothing to decide by; most: as many are judged at most.
        rate: learning rate.
        moment: targets that share one view of the popularity; judged: the same where models are judged.
        step: moments of one step.
        threads: of torch.
        seed: of everything random.
    """

    examples: int = 80_000
    minutes: float = 10.0
    replay: float = 0.3
    replay_days: float = 14.0
    held_out: float = 0.1
    fewest: int = 200
    most: int = 10_000
    rate: float = 0.3 * TrainConfig.rate
    moment: int = TrainConfig.moment
    judged: int = TrainConfig.fresh
    step: int = 1
    threads: int = 1
    seed: int = 0
