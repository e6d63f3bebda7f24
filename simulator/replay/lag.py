"""How far the readers are behind, so that a replay can wait for them.

The embedded broker keeps 5 MiB or 100,000 messages of a partition and then drops the oldest, read or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.settings import Settings

RECORD_OVERHEAD = 80
"""Bytes that a record adds to its key and value at most: a batch header of 61, and its own."""


@dataclass(frozen=True, kw_only=True)
class LagLimits:
    """The most that may lie unread in one partition before the replay waits; it goes on below half of it.

    Attributes:
        messages, size: number of messages, and bytes.
        patience: seconds without any reading before the replay gives up.
    """

    messages: int = 20_000
    size: int = 3 * 2**20
    patience: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> LagLimits:
        """Tight limits for the embedded broker, which drops what it cannot hold, and wide ones for a cluster."""
        return cls() if settings.kafka == "embedded" else cls(messages=200_000, size=64 * 2**20)


class Offsets(Protocol):
    """The offsets that the guard asks Kafka for."""

    @property
    def readers(self) -> str:
        """Names of the watched consumer groups, for messages."""

    def bounds(self) -> list[tuple[int, int]]:
        """First and next offset of every partition."""

    def committed(self) -> list[int | None]:
        """Lowest offset that the groups have committed in every partition; None where one has committed nothing.

        Raises:
            BrokerUnavailableError: Kafka does not answer.
            BrokerError: it refuses.
        """


@dataclass
class _Partition:
    read: int
    end: int
    size: int
    sizes: deque[tuple[int, int]]  # (offset, bytes) of each message that is not known to be read


class LagGuard:
    """Counts what was sent against what the groups have committed.

    Only what the replay itself sends is counted, apart from what lay unread before it began.

    Args:
        offsets: asked when ``refresh`` is called.
        limits: when there is no more room.
        now: monotonic seconds.

    Attributes:
        has_room: whether another message may be sent.
    """

    def __init__(self, offsets: Offsets, limits: LagLimits, *, now: float) -> None:
        self._offsets = offsets
        self._limits = limits
        self._partitions = [_Partition(low, high, 0, deque()) for low, high in offsets.bounds()]
        self._note(offsets.committed())
        self._stuck_since = now
        self.has_room = self._fits(1.0)

    @property
    def lag(self) -> int:
        """Unread messages in the fullest partition, as far as known."""
        return max(p.end - p.read for p in self._partitions)

    def sent(self, partition: int, size: int) -> None:
        """Count a message of ``size`` bytes (key and value)."""
        p = self._partitions[partition]
        p.sizes.append((p.end, size + RECORD_OVERHEAD))
        p.size += size + RECORD_OVERHEAD
        p.end += 1
        if p.end - p.read > self._limits.messages or p.size > self._limits.size:
            self.has_room = False

    def refresh(self, now: float) -> None:
        """Ask what was read since.

        Raises:
            BrokerError: there is no room, and for too long nothing has been read although Kafka answers.
        """
        moved, trouble = False, ""
        try:
            moved = self._note(self._offsets.committed())
        except BrokerUnavailableError:  # nobody can read now, and that is not the readers' fault
            self._stuck_since = now
        except BrokerError as error:
            trouble = f" ({error})"
        self.has_room = self.has_room or self._fits(0.5)
        if moved or self.has_room:
            self._stuck_since = now
        elif now - self._stuck_since > self._limits.patience:
            raise BrokerError(
                f"{self._offsets.readers} has read nothing for {self._limits.patience:.0f} s and is {self.lag} "
                f"messages behind{trouble}: is `mos worker` running? Watch another group with --groups"
            )

    def _note(self, committed: Sequence[int | None]) -> bool:
        """Forget what was read; returns whether anything was."""
        moved = False
        for p, offset in zip(self._partitions, committed, strict=True):
            if offset is None or offset <= p.read:
                continue
            p.read, moved = offset, True
            while p.sizes and p.sizes[0][0] < offset:
                p.size -= p.sizes.popleft()[1]
        return moved

    def _fits(self, share: float) -> bool:
        messages, size = self._limits.messages * share, self._limits.size * share
        return all(p.end - p.read <= messages and p.size <= size for p in self._partitions)
