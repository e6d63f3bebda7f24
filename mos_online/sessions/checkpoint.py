"""What must be remembered to continue a partition after a crash: very little, because the log is the state."""

from __future__ import annotations

import msgspec

from mos_online.sessions.config import SessionConfig


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the event-time clock of one partition.

    Attributes:
        newest: largest event time seen (ms), an event ahead of its arrival counting as of its arrival; -1 before the
            first event.
        watermark: no accepted event may be older (ms), -1 before the first event.
        arrived_at: when the last record arrived (ms), -1 before the first record.
        by_broker: whether that is the broker's clock (LogAppendTime), or the worker's (CreateTime).
    """

    newest: int = -1
    watermark: int = -1
    arrived_at: int = -1
    by_broker: bool = True


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """Other rules were in force from an offset on.

    Attributes:
        offset: the first offset processed under the new rules.
        watermark: the watermark (ms) when they changed.
        rules: the new rules.
    """

    offset: int
    watermark: int
    rules: SessionConfig


class SessionizerCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Restores a sessionizer: re-read the log from ``offset``, publish nothing before ``published_to``.

    Attributes:
        offset: no open session has an event before this offset.
        clock: the clock just before ``offset``; lateness is judged again exactly as it was.
        published_to: everything that the records before this offset closed has been published.
        watermark: the watermark at ``published_to``; a quiet partition's had advanced by the wall clock.
        floors: per user, the (timestamp, event_id) of the last event of a session that ended by a cap or an end event
            while the user may have gone on; re-read events up to there belong to sessions already published.
        rules: in force at ``offset``. The re-read decides as was decided then, whatever the settings say by now.
        changes: how the rules changed between ``offset`` and ``published_to``, oldest first.
    """

    offset: int
    clock: ClockState
    published_to: int
    watermark: int
    floors: dict[str, tuple[int, str]]
    rules: SessionConfig
    changes: list[RuleChange]
