"""What must be remembered to continue a partition after a crash: very little, because the log is the state."""

from __future__ import annotations

import msgspec

from mos_online.sessions.config import SessionConfig


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """Event-time clock of one partition.

    Attributes:
        newest: largest event time seen (ms), -1 before the first event.
        watermark: no accepted event may be older (ms), -1 before the first event.
        arrived_at: Kafka timestamp of the last record (ms), -1 before the first record.
    """

    newest: int = -1
    watermark: int = -1
    arrived_at: int = -1


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """Other rules were in force from ``offset`` on, when the watermark was ``watermark``."""

    offset: int
    watermark: int
    rules: SessionConfig


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Restores a sessionizer: re-read the log from ``offset``, publish nothing before ``published_to``.

    Attributes:
        offset: no open session has an event before this offset.
        clock: the clock just before ``offset``; lateness is judged again exactly as it was.
        published_to: everything that the records before this offset closed has been published.
        watermark: the watermark at ``published_to``; a quiet partition's had advanced by the wall clock.
        floors: per user, (timestamp, event_id) of the last event of a session that ended by a cap or an end event
            while the user may have gone on; re-read events up to there belong to sessions already published.
        rules: in force at ``offset``. The re-read decides as was decided then, whatever the settings say by now.
        changes: of the rules, between ``offset`` and ``published_to``.
    """

    offset: int
    clock: ClockState
    published_to: int
    watermark: int
    floors: dict[str, tuple[int, str]]
    rules: SessionConfig
    changes: list[RuleChange]
