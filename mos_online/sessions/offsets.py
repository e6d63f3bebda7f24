"""Which offset of the log a restart must go back to: the bookkeeping of offsets, and nothing about sessions."""

from __future__ import annotations

from collections import deque

from mos_online.sessions.checkpoint import ClockState

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


class OffsetTracker:
    """Finds the offset before which no open session has an event.

    Attributes:
        block: the block that is being read; events read now are counted there.
        block_end: the first offset after it. The caller calls ``begin_block`` when it gets there.

    >>> tracker = OffsetTracker()
    >>> tracker.begin_block(0, ClockState())
    >>> tracker.begin_block(300, ClockState(newest=7))
    >>> tracker.block.open_events += 1
    >>> tracker.restart_point()
    (300, ClockState(newest=7, watermark=-1, arrived_at=-1, by_broker=True))
    """

    __slots__ = ("_blocks", "block", "block_end")

    def __init__(self) -> None:
        self.block = Block(0, ClockState())
        self.block_end = 0
        self._blocks: deque[Block] = deque()

    def begin_block(self, offset: int, clock: ClockState) -> None:
        """Begin the block of ``offset``, which is about to be read and not below ``block_end``.

        Args:
            offset: the offset about to be read.
            clock: the event-time clock before it.
        """
        self.block = Block(offset, clock)
        self.block_end = (offset // BLOCK_SIZE + 1) * BLOCK_SIZE
        self._blocks.append(self.block)

    def restart_point(self) -> tuple[int, ClockState] | None:
        """The offset from which a restart must read, and the clock just before it; None if no event is open.

        Blocks before that offset are forgotten.
        """
        blocks = self._blocks
        while len(blocks) > 1 and blocks[0].open_events == 0:
            blocks.popleft()
        if not blocks or blocks[0].open_events == 0:
            return None
        return blocks[0].offset, blocks[0].clock
