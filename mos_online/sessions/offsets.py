"""Which offset of the log a restart must go back to: the bookkeeping of offsets, and nothing about sessions."""

from __future__ import annotations

from collections import deque

from mos_online.sessions.checkpoint import ClockState, LogPosition

BLOCK_SIZE = 256
"""Offsets are counted in blocks of this many, so that an event costs O(1); a restart re-reads up to so many more."""


class Block:
    """Neighbouring offsets of the log, and how many events read there belong to an open session.

    Attributes:
        offset: the first offset that was read in this block.
        clock: the event-time clock just before that offset.
        open_events: events of this block whose session is open. Whoever keeps an event open counts it here.
    """

    __slots__ = ("clock", "offset", "open_events")

    def __init__(self, offset: int, clock: ClockState) -> None:
        self.offset = offset
        self.clock = clock
        self.open_events = 0

    def position(self) -> LogPosition:
        """Where it begins."""
        return LogPosition(offset=self.offset, clock=self.clock)


class OffsetTracker:
    """Finds the offset before which no open session has an event.

    Attributes:
        block: the block that is being read; events read now are counted there.
        block_end: the first offset after it. The caller calls ``begin_block`` when it gets there.

    >>> tracker = OffsetTracker()
    >>> tracker.begin_block(0, ClockState())
    >>> tracker.begin_block(300, ClockState(newest=7))
    >>> tracker.block.open_events += 1
    >>> start, middle = tracker.restart_points(400, ClockState()); start.offset, start.clock.newest, middle
    (300, 7, None)
    """

    __slots__ = ("_blocks", "block", "block_end")

    def __init__(self) -> None:
        self.block = Block(0, ClockState())
        self.block_end = 0
        self._blocks: deque[Block] = deque()

    def begin_block(self, offset: int, clock: ClockState) -> None:
        """Begin the block of ``offset``, which is about to be read.

        A block begins at ``block_end`` and wherever an event is late that would not be by the clock of the block: so
        a log that begins in the middle of a block can be read from there with that clock, and is judged the same.

        Args:
            offset: the offset about to be read.
            clock: the event-time clock before it.
        """
        blocks = self._blocks
        if len(blocks) > 1 and blocks[-1].open_events == blocks[-2].open_events == 0:
            blocks.pop()  # no restart will begin with either
        self.block = Block(offset, clock)
        self.block_end = (offset // BLOCK_SIZE + 1) * BLOCK_SIZE
        blocks.append(self.block)

    def restart_points(self, offset: int, clock: ClockState) -> tuple[LogPosition, LogPosition | None]:
        """Where a restart must begin to read, and where the block ends that it begins with.

        The second is None if that block is still being read. If nothing is open, the first is ``offset``, which is
        read next, and ``clock``, just before it. Later answers never go back: blocks before are forgotten.
        """
        blocks = self._blocks
        while len(blocks) > 1 and blocks[0].open_events == 0:
            blocks.popleft()
        if not blocks or blocks[0].open_events == 0:
            self.block_end = 0
            return LogPosition(offset=offset, clock=clock), None
        return blocks[0].position(), blocks[1].position() if len(blocks) > 1 else None
