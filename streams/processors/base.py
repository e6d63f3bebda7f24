"""What the worker's processors have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mos_online.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every processor is given.

    Attributes:
        fail: stops the worker with an error; the processor does no more work after it has called this.
        accept_loss: go on where records are gone that were needed, instead of failing.
    """

    settings: Settings
    fail: Callable[[Exception], None]
    accept_loss: bool = False


class Processor(Protocol):
    """One of the worker's jobs: an agent and what it needs."""

    def register(self, app: Any) -> None:
        """Add agents and timers to the Faust application, before it starts."""

    @property
    def ready(self) -> bool:
        """Whether it has all it needs to process records."""

    @property
    def waiting(self) -> str | None:
        """What another service that it cannot do without says instead of working; None if it works."""

    def assigned(self, partitions: dict[str, set[int]]) -> None:
        """Topic -> partitions that are ours from now on; called in the event loop after each rebalance."""

    async def revoked(self) -> None:
        """No partition is ours until the next ``assigned``: stop what is at work."""

    async def close(self) -> None:
        """Finish, once, before the agents are stopped; no records come any more."""
