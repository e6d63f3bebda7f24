"""How a log is replayed, and what follows from it; checked against the sessionizer's rules before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from mos_online.errors import DatasetError, SettingsError
from mos_online.sessions.config import SessionConfig
from simulator.faults.plan import Faults
from simulator.replay.speed import Speed


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """Options of a replay.

    Attributes:
        speed: see ``Speed``.
        envelope: clicks of a user per message, at most.
        envelope_span: ms of event time that an envelope may wait to be filled; None: what the lateness allows.
        rebase: shift all timestamps as far as they go without any click being ahead of the moment at which it is
            sent: the log becomes live traffic. Needs a speed of 1x or more, or max.
        faults: to inject.

    Raises:
        SettingsError: the options contradict each other.
    """

    speed: Speed = field(default_factory=lambda: Speed(kind="times", value=1.0))
    envelope: int = 1
    envelope_span: int | None = None
    rebase: bool = False
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if not 1 <= self.envelope <= 1000:
            raise SettingsError(f"an envelope holds 1 to 1000 clicks, got {self.envelope}")
        if self.envelope_span is not None and self.envelope_span < 0:
            raise SettingsError(f"the span of an envelope must be at least 0 ms, got {self.envelope_span}")
        slow = self.speed.kind == "rate" or (self.speed.kind == "times" and self.speed.value < 1)
        if self.rebase and slow:
            raise SettingsError(
                f"live traffic cannot run at {self.speed}: event time must keep up with the clock, or the clock "
                "closes sessions that go on; use 1x or more, or max"
            )
        if self.rebase and self.faults.too_late:
            raise SettingsError("late clicks need heartbeats to be late for certain, and live traffic has none")

    def slack(self, sessions: SessionConfig) -> int:
        """How long (ms) a click may be delayed in all; with ``rebase`` half the lateness is left for the way."""
        return sessions.lateness // 2 if self.rebase else sessions.lateness

    def span(self, sessions: SessionConfig) -> int:
        """How long (ms of event time) an envelope waits.

        Raises:
            SettingsError: the delays of disorder and envelopes exceed the slack.
        """
        left = self.slack(sessions) - self.faults.delay
        span = self.envelope_span
        if span is None:
            span = max(left, 0) if self.envelope > 1 else 0
        if span > left:
            raise SettingsError(
                f"disorder of {self.faults.delay} ms and envelopes of {span} ms delay clicks by more than the "
                f"{self.slack(sessions)} ms that a lateness of {sessions.lateness} ms leaves: they would be late. "
                "Shorten them, or raise MOS_SESSION_LATENESS for the replay and the worker alike"
            )
        return span

    def shifted(self, clicks: pl.DataFrame, now: int) -> pl.DataFrame:
        """The clicks with the timestamps that will be sent, if sending begins at ``now`` (ms since epoch)."""
        if not self.rebase:
            return clicks
        true_time = clicks["timestamp"].to_numpy()
        sent_at = now + self.speed.offsets(true_time, int(true_time[0])) * 1000
        return clicks.with_columns(timestamp=pl.col("timestamp") + int((sent_at - true_time).min()))


def check_clicks(clicks: pl.DataFrame) -> None:
    """Refuse clicks that cannot be replayed.

    Raises:
        DatasetError: no clicks, or they are out of order.
    """
    if clicks.is_empty():
        raise DatasetError("there are no clicks to replay: widen the slice")
    if not clicks["timestamp"].is_sorted():
        raise DatasetError("the clicks to replay are not in order of time: sort them by (timestamp, event_id)")


def check_times(times: pl.Series, sessions: SessionConfig, now: int) -> None:
    """Refuse a log that the sessionizer would refuse.

    Args:
        times: ascending, ms since epoch.
        sessions: its rules.
        now: when the log arrives, ms since epoch.

    Raises:
        DatasetError: absurd times, or times in the future.
    """
    first, last = int(times[0]), int(times[-1])
    if first < sessions.min_timestamp:
        raise DatasetError(f"the first click's time is {first} ms, before {sessions.min_timestamp}: seconds, not ms?")
    if last > now + sessions.max_future:
        raise DatasetError(f"the last click's time is {last} ms, {last - now} ms in the future: it would be refused")
