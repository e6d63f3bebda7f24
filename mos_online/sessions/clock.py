"""The event time of one partition: how far it has come, and when the wall clock may move it. Reads no clock itself."""

from __future__ import annotations

from mos_online.sessions.checkpoint import ClockState
from mos_online.sessions.config import SessionConfig


class EventTimeClock:
    """Keeps the watermark of one partition. The watermark never goes back.

    Events move it to their timestamp minus the allowed lateness. A producer's heartbeat moves it to the heartbeat. In
    a partition that is quiet and holds live data, the wall clock moves it (ADR 3). An event or heartbeat that is ahead
    of its arrival moves it no further than an event that was sent at once (ADR 12).

    Attributes:
        config: the rules; ``lateness``, ``idle_timeout`` and ``live_within`` are used.
        newest: largest event time seen (ms), no later than its arrival; -1 before the first event.
        watermark: event time (ms) up to which the partition is complete, -1 before the first event. An older event
            is late.
        arrived_at: when the last record arrived (ms), -1 before the first record. By the broker's clock it never goes
            back.
        by_broker: whether ``arrived_at`` is of the broker's clock, or of the worker's.
        bound: what counts as the arrival (ms) of records without the broker's time; None while nothing is ahead.
        ticked: where the wall clock has moved the watermark (ms), if it is there still and no event has been late by
            it; else -1.

    >>> clock = EventTimeClock(SessionConfig(lateness=5_000))
    >>> clock.observe(60_000, 60_010), clock.watermark
    (True, 55000)
    >>> clock.observe(58_000, 60_010), clock.watermark
    (False, 55000)
    >>> clock.observe(90_000, 60_020), clock.watermark
    (True, 55020)
    """

    __slots__ = ("arrived_at", "bound", "by_broker", "config", "newest", "ticked", "watermark")

    def __init__(self, config: SessionConfig, state: ClockState | None = None) -> None:
        state = state or ClockState()
        self.config = config
        self.newest = state.newest
        self.watermark = state.watermark
        self.arrived_at = state.arrived_at
        self.by_broker = state.by_broker
        self.bound = state.bound
        self.ticked = -1

    def state(self) -> ClockState:
        """Describe this moment, for a checkpoint."""
        return ClockState(
            newest=self.newest,
            watermark=self.watermark,
            arrived_at=self.arrived_at,
            by_broker=self.by_broker,
            bound=self.bound,
        )

    def go_on(self, state: ClockState) -> bool:
        """Be at the moment at which a re-read ends. Returns whether the watermark moved: by the wall clock, then."""
        moved = self.tick(state.watermark)
        self.newest, self.bound = max(self.newest, state.newest), state.bound
        self.arrived_at, self.by_broker = state.arrived_at, state.by_broker
        return moved

    def tick(self, watermark: int) -> bool:
        """Let the wall clock move the watermark to ``watermark`` (ms). Returns whether it moved."""
        moved = self.advance(watermark)
        if moved:
            self.ticked = watermark
        return moved

    def advance(self, watermark: int) -> bool:
        """Move the watermark to ``watermark`` (ms) unless it is there already. Returns whether it moved."""
        if watermark <= self.watermark:
            return False
        self.watermark = watermark
        return True

    def observe(self, timestamp: int, arrival: int) -> bool:
        """Take note of an accepted event of this time (ms). Returns whether the watermark moved.

        An event ahead of its ``arrival`` (ms) counts as one that happened when it arrived.
        """
        if timestamp > arrival:  # noqa: PLR1730 - min() takes longer, and this runs for every click
            timestamp = arrival
        if timestamp <= self.newest:
            return False
        self.newest = timestamp
        watermark = timestamp - self.config.lateness
        if watermark <= self.watermark:
            return False
        self.watermark = watermark
        return True

    def heartbeat(self, timestamp: int, *, arrival: int) -> bool:
        """Take a producer's promise that nothing older than ``timestamp`` (ms) follows.

        The lateness is not subtracted, because a promise needs none. A promise ahead of its ``arrival`` (ms) comes
        from a clock that is wrong and moves no more than an event does. Returns whether the watermark moved.
        """
        if timestamp > arrival:
            return self.observe(timestamp, arrival)
        self.newest = max(self.newest, timestamp)
        return self.advance(timestamp)

    def arrive(self, arrived_at: int) -> bool:
        """Take note that a record has arrived, by the broker's clock (ms), before its events are looked at.

        If the partition was quiet for ``idle_timeout``, its event time has run on with the wall clock. Returns
        whether the watermark moved.
        """
        before, self.arrived_at = self.arrived_at, arrived_at
        if not self.by_broker:  # two clocks: what lies between the two records is not known
            self.by_broker = True
            return False
        if arrived_at <= before:
            self.arrived_at = before
            return False
        if before < 0 or arrived_at - before < self.config.idle_timeout:
            return False
        return self._is_live(before) and self.advance(self.newest + (arrived_at - before) - self.config.lateness)

    def take(self, now: int) -> None:
        """Take note that a record whose arrival no broker has noted is taken, by the worker's clock (ms)."""
        self.by_broker, self.arrived_at = False, now

    def idle_watermark(self, now: int) -> int | None:
        """The watermark that the wall clock ``now`` (ms) allows; None while the partition is not quiet yet.

        It stays ``idle_timeout`` behind what a record arriving now would bring about, so that a record stamped by
        another machine's clock cannot find its session closed too early.
        """
        idle_timeout = self.config.idle_timeout
        if self.arrived_at < 0 or now - self.arrived_at < idle_timeout:
            return None
        if not self._is_live(self.arrived_at):
            return self.watermark
        return self.newest + (now - idle_timeout - self.arrived_at) - self.config.lateness

    def wall_clock_of(self, watermark: int) -> int:
        """When (ms, wall clock) ``idle_watermark`` reaches ``watermark`` if the partition stays quiet."""
        config = self.config
        return self.arrived_at + (watermark - self.newest) + config.lateness + config.idle_timeout

    def _is_live(self, arrived_at: int) -> bool:
        """Whether the newest event was young enough when the last record arrived (ms)."""
        return self.newest >= 0 and arrived_at - self.newest <= self.config.live_within
