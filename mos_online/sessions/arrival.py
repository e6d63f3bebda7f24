"""When records arrive whose arrival no broker has noted: by the worker's clock, so that a restart repeats it."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.sessions.checkpoint import ArrivalBounded, SessionizerCheckpoint
from mos_online.sessions.clock import EventTimeClock
from mos_online.sessions.config import SessionConfig
from mos_online.sessions.decisions import DecisionLog

FOREVER = 2**62
"""A time (ms) that nothing is ahead of; as an offset, one that no log reaches."""

READ_EVERY = 1_000
"""While a producer is ahead, the worker's clock is read at most this often (ms)."""

READINGS = 1_000
"""After so many they are made less often: a checkpoint holds all since the oldest open session began."""

CALM = 5_000
"""When nothing has been ahead for so long (ms), the clock is read no more."""

WINDOW = 2_000
"""So far (ms) event time may go on before a checkpoint says again which times may have been taken."""


class WorkerArrival:
    """Decides what counts as the arrival of records that bear only their producer's time (ADR 13).

    While no event is ahead of the worker's clock, its reading makes no difference and is not remembered. When one is,
    the reading becomes a decision: until the next one, all such records count as arrived then. A decision must be
    durable before anything that rests on it is published. So it is made for a batch of records, before the first.

    Attributes:
        bounded_to: records before this offset are processed by the last decision.
        clock_limit: no event with a later time (ms) is taken without another checkpoint.
    """

    def __init__(
        self, clock: EventTimeClock, decisions: DecisionLog, checkpoint: SessionizerCheckpoint, log_end: int
    ) -> None:
        """Go on from a checkpoint; whoever made it may have processed records up to ``log_end``."""
        if checkpoint.published.bound is not None:  # of later ones it has decided nothing
            log_end = checkpoint.bounded_to
        self.bounded_to = checkpoint.bounded_to
        self.clock_limit = checkpoint.clock_limit
        self._clock = clock
        self._decisions = decisions
        self._log_end = log_end
        self._taken_limit = checkpoint.clock_limit
        self._ahead_at = 0

    def together(self, records: Sequence[tuple[int, int]]) -> int:
        """How many of the next records without the broker's time may be decided together, at least one.

        Args:
            records: offset and latest time (ms) of each; not empty.
        """
        if records[0][0] < self.bounded_to:
            return sum(offset < self.bounded_to for offset, _ in records)
        for number, (offset, newest) in enumerate(records):
            if number > 0 and offset < self._log_end and newest > self._taken_limit:
                return number
        return len(records)

    def decide(self, newest: int, *, offset: int, end: int, now: int, config: SessionConfig) -> bool:
        """Prepare for records without the broker's time.

        Args:
            newest: the latest time (ms) that they speak of.
            offset: of the first.
            end: the offset after the last; only what goes ``together``.
            now: the worker's clock (ms).
            config: the rules.

        Returns:
            Whether a checkpoint must be durable before they are processed.
        """
        clock = self._clock
        if end <= self.bounded_to:
            return False
        if newest > self._taken_limit:  # nobody has taken it, nor what comes after it
            self._log_end = min(self._log_end, offset)
        # Another worker may have taken what comes before, and its clock may have been ahead of ours.
        ahead = newest > now and offset >= self._log_end
        if ahead:
            self._ahead_at = now
        before = clock.bound
        if before is None:
            if ahead:
                self._bound(now, offset)
        elif now - before >= self._pause(now, config):
            self._bound(None if now - self._ahead_at >= CALM else now, offset)
        if clock.bound is not None:
            self.bounded_to = end
            return True
        if before is None and newest <= self.clock_limit:
            return False
        self.clock_limit = max(self.clock_limit, now + WINDOW)
        return True

    def limits(self, config: SessionConfig) -> tuple[int, int]:
        """The arrival (ms) of such records, and the latest time (ms) that one may speak of."""
        bound = self._clock.bound
        if bound is None:
            return FOREVER, FOREVER
        return bound, bound + max(config.max_future, READ_EVERY)

    def _bound(self, arrival: int | None, offset: int) -> None:
        self._clock.bound = arrival
        self._decisions.add(ArrivalBounded(offset=offset, arrival=arrival))

    def _pause(self, now: int, config: SessionConfig) -> int:
        """How long (ms) a reading holds: never so long that an event that is not ahead would be rejected."""
        first = self._decisions.first_bound()
        often = READ_EVERY if first is None else max(READ_EVERY, (now - first) // READINGS)
        return min(often, max(config.max_future, READ_EVERY))
