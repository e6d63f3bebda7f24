"""How far the service is behind in event time, so that a replay can wait until it has counted what was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

Counted = Mapping[tuple[str, int], int]
"""Kind of counts and partition -> event time (ms) up to which clicks are counted in what answers."""

PATIENCE = 10.0
"""Seconds without any progress after which a click counts as one that is never counted, and is not waited for."""

LOOK_EVERY = 0.1
"""Seconds between two questions to the service, at least."""


class FreshnessGuard:
    """Lets a click be sent when all clicks that are a span of event time older are counted.

    So what the service knows is at most that old, however fast the replay could be.

    Attributes:
        given_up: clicks that were waited for in vain.
    """

    def __init__(self, ask: Callable[[], Counted], spans_ms: Mapping[str, float], *, partitions: int) -> None:
        """Begin with nothing sent.

        Args:
            ask: asks the service; what it does not name is not counted at all.
            spans_ms: kind of counts -> event time (ms) that a click may be on its way.
            partitions: of the ``clicks`` topic.
        """
        self._ask = ask
        self._spans = dict(spans_ms)
        self._open: dict[tuple[str, int], deque[int]] = {
            (kind, partition): deque() for kind in spans_ms for partition in range(partitions)
        }
        self._counted: Counted = {}
        self._asked_at = self._moved_at = -float("inf")
        self.given_up = 0

    def sent(self, partition: int, timestamp: int) -> None:
        """Note a click (ms) that is to be counted."""
        for kind in self._spans:
            waiting = self._open[kind, partition]
            if not waiting or timestamp > waiting[-1]:  # when the newest is counted, so are the others
                waiting.append(timestamp)

    def allows(self, timestamp: int) -> bool:
        """Whether a click of this time (ms) may be sent, as far as the service was asked."""
        return not any(
            waiting and waiting[0] <= timestamp - self._spans[kind] for (kind, _), waiting in self._open.items()
        )

    def refresh(self, timestamp: int, now: float) -> None:
        """Ask the service what it has counted by now, because a click of this time (ms) waits.

        Args:
            timestamp: of the click that waits.
            now: monotonic seconds.
        """
        if now - self._asked_at < LOOK_EVERY:
            return
        if now - self._asked_at > PATIENCE:  # nothing was waited for
            self._moved_at = now
        self._asked_at = now
        found = self._ask()
        if any(moment > self._counted.get(which, -1) for which, moment in found.items()):
            self._moved_at = now
        self._counted = dict(found)
        for which, waiting in self._open.items():
            while waiting and waiting[0] <= found.get(which, -1):
                waiting.popleft()
        if now - self._moved_at > PATIENCE:
            self._give_up(timestamp)
            self._moved_at = now

    def _give_up(self, timestamp: int) -> None:
        for (kind, _), waiting in self._open.items():
            while waiting and waiting[0] <= timestamp - self._spans[kind]:
                waiting.popleft()
                self.given_up += 1
