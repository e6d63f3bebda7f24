"""How long an answer is followed."""

from __future__ import annotations

from typing import NamedTuple


class JoinRules(NamedTuple):
    """Rules of the joiner, in milliseconds.

    Attributes:
        window: impressions and clicks count for a decision for so long.
        lateness: how much older than the newest record of its input a record may be; and how much a click or an
            impression may seem older than the decision that it names, because of two clocks.
    """

    window: int = 30 * 60_000
    lateness: int = 60_000

    @property
    def step(self) -> int:
        """Event time goes on by at least so much at once: a checkpoint holds few hundred steps."""
        return max(1, self.window // 100)
