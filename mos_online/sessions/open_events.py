"""Events whose session is still open, of one user."""

from __future__ import annotations

from bisect import bisect_left

from mos_online.contracts import SessionEvent
from mos_online.sessions.offsets import Block

FEW = 16
"""Up to so many events are looked through for a repeated id; a set would take more memory than they do."""


class OpenEvents:
    """The open events of one user, ordered by (timestamp, event_id).

    A million of these must fit into memory, hence the bare lists.

    Attributes:
        user_id: the user.
        events: not empty while a session is open.
        blocks: of each event, the block of offsets in which it was read. The block counts the event while it is here.
        whole: whether the events are known to be one session so far: no gap, no end event and no cap among them.
        floor: (timestamp, event_id) where the last session was cut while the user may have gone on.
    """

    __slots__ = ("_ids", "blocks", "events", "floor", "user_id", "whole")

    def __init__(self) -> None:
        self.user_id = ""
        self.events: list[SessionEvent] = []
        self.blocks: list[Block] = []
        self.whole = True
        self.floor: tuple[int, str] | None = None
        self._ids: set[str] | None = None

    def has(self, event_id: str) -> bool:
        """Whether an event with this id is among them."""
        if self._ids is not None:
            return event_id in self._ids
        if len(self.events) > FEW:
            self._ids = {event.event_id for event in self.events}
            return event_id in self._ids
        for event in self.events:  # noqa: SIM110 - a generator would take twice as long
            if event.event_id == event_id:
                return True
        return False

    def add(self, event: SessionEvent, block: Block) -> bool:
        """Put a new event into its place; returns whether that is the last one."""
        if self._ids is not None:
            self._ids.add(event.event_id)
        block.open_events += 1
        events = self.events
        if not events or _order(events[-1]) < _order(event):
            events.append(event)
            self.blocks.append(block)
            return True
        place = bisect_left(events, _order(event), key=_order)
        events.insert(place, event)
        self.blocks.insert(place, block)
        return False

    def cut(self, length: int) -> list[SessionEvent]:
        """Take the first ``length`` events off and return them."""
        events, blocks = self.events, self.blocks
        for block in blocks[:length]:
            block.open_events -= 1
        self.events, self.blocks = events[length:], blocks[length:]
        self._ids = None
        return events[:length]


def _order(event: SessionEvent) -> tuple[int, str]:
    return event.timestamp, event.event_id
