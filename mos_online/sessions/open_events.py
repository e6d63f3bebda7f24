"""Events whose session is still open, of one user."""

from __future__ import annotations

from bisect import bisect_left
from itertools import takewhile

from mos_online.contracts import SessionEvent
from mos_online.sessions.offsets import Block


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

    __slots__ = ("blocks", "events", "floor", "user_id", "whole")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.events: list[SessionEvent] = []
        self.blocks: list[Block] = []
        self.whole = True
        self.floor: tuple[int, str] | None = None

    def twins(self, event: SessionEvent) -> list[SessionEvent]:
        """The events with the id and the time of ``event``: at most one, unless the rules have joined two windows."""
        order = event_order(event)
        place = bisect_left(self.events, order, key=event_order)
        return list(takewhile(lambda other: event_order(other) == order, self.events[place : place + 3]))

    def add(self, event: SessionEvent, block: Block) -> bool:
        """Put a new event into its place; returns whether that is the last one."""
        block.open_events += 1
        events = self.events
        if not events or events[-1].timestamp < event.timestamp or event_order(events[-1]) < event_order(event):
            events.append(event)
            self.blocks.append(block)
            return True
        place = bisect_left(events, event_order(event), key=event_order)
        events.insert(place, event)
        self.blocks.insert(place, block)
        return False

    def sort(self) -> None:
        """Bring events that were joined from several windows into their order.

        Only there can two have the same time and id, from two sessions of the publisher. Their order must not depend
        on that of the windows, which a restart does not repeat.
        """
        order = sorted(
            range(len(self.events)), key=lambda n: (*event_order(self.events[n]), self.events[n].session_id or "")
        )
        self.events = [self.events[n] for n in order]
        self.blocks = [self.blocks[n] for n in order]

    def cut(self, length: int) -> list[SessionEvent]:
        """Take the first ``length`` events off and return them."""
        events, blocks = self.events, self.blocks
        for block in blocks[:length]:
            block.open_events -= 1
        self.events, self.blocks = events[length:], blocks[length:]
        return events[:length]


def event_order(event: SessionEvent) -> tuple[int, str]:
    """What the events of a session are ordered by."""
    return event.timestamp, event.event_id
