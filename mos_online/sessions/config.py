"""What a session is."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mos_online.contracts import DEFAULT_EVENT_TYPES, EventTypes
from mos_online.errors import SettingsError

YEAR_1990_MS = 631_152_000_000


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """Rules of the sessionizer; every time is in milliseconds.

    Attributes:
        gap: a session ends when its user is silent for longer than this.
        lateness: how far behind the newest event of its partition an event may arrive.
        max_events: a longer session is cut; the next event opens a new one.
        max_duration: no session lasts longer than this from its first event; the next event opens a new one.
        idle_timeout: a partition without new records for this long advances by the wall clock (live data only).
        live_within: data counts as live when its newest event is at most this much older than its arrival. A replay
            of last year's log is not live, so the wall clock never cuts its sessions.
        max_future: an event further than this ahead of its arrival is rejected instead of dragging the watermark.
        publisher_ids: events of one user with different ``session_id`` never share a session, however they interleave;
            those without one are kept apart from all others. Gap, caps and end events cut as before.
        revision: written into every session. Raise it when the log is sessionized anew under other rules: consumers who
            upsert by session_id then keep the higher one.
        min_timestamp: an older event is rejected; it catches seconds sent as milliseconds.
        event_types: the table of what the types of events mean, as ``EventTypes.parse`` reads it. Actions and ends are
            in sessions, exposures are in none.

    Raises:
        SettingsError: a value is not positive (``lateness`` and ``min_timestamp`` may be 0), or the table of event
            types is wrong.
    """

    gap: int = 30 * 60_000
    lateness: int = 5_000
    max_events: int = 500
    max_duration: int = 12 * 3_600_000
    idle_timeout: int = 5_000
    live_within: int = 3_600_000
    max_future: int = 60_000
    publisher_ids: bool = False
    revision: int = 1
    min_timestamp: int = YEAR_1990_MS
    event_types: str = DEFAULT_EVENT_TYPES

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "event_types":
                EventTypes.parse(value)
                continue
            lowest = 0 if field.name in ("lateness", "min_timestamp", "max_future", "publisher_ids") else 1
            if value < lowest:
                raise SettingsError(f"session setting {field.name}={value}: must be at least {lowest} (ms or events)")

    @property
    def types(self) -> EventTypes:
        """The table of event types, ready to be looked up."""
        return EventTypes.parse(self.event_types)
