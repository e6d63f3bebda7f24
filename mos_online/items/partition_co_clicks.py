"""The co-clicks of one partition as the stream counts them: each accepted click once."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable

import msgspec

from mos_online.contracts import AcceptedClicks
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.items.user_limits import UserLimits, UserSums

RECORDS = 20_000
"""At most so many records are read again after a restart, to remember the last clicks of the users."""


class PartitionCoClicks:
    """Counts the records of ``accepted-clicks`` of one partition, and says where a restart has to begin to read.

    As in ``PartitionCount``, positions in ``clicks`` tell what has been counted before. The snapshot holds pairs and
    the position. The last clicks of the users are not in it: whoever goes on from it reads them again, from
    ``read_from`` on, and remembers without counting them.
    """

    def __init__(
        self,
        *,
        half_life_ms: float,
        window_ms: int,
        partition: int,
        limits: UserLimits,
        begin: int = 0,
        stored: CoClickSnapshot | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            half_life_ms, window_ms: see ``CoClicks``.
            partition: its number.
            limits: of each user, whose clicks all have the weight 1 here; further ones go with nothing.
            begin: offset of the first record, unless an earlier count has read some.
            stored: what an earlier count of this partition has written.
        """
        self._log_id = stored.log_id if stored else ""
        self._counted_to = stored.counted_to if stored else 0
        self._noted_to = 0
        self._sums = UserSums(limits)
        self._newest = 0
        self._read_from = stored.read_from if stored is not None and stored.read_from >= 0 else begin
        self._records: deque[tuple[int, int]] = deque(maxlen=RECORDS)
        self._counts = CoClicks(half_life_ms=half_life_ms, window_ms=window_ms, partition=partition)
        if stored is not None:
            self._counts.resume(stored)

    @property
    def as_of(self) -> int:
        """Newest event time (ms) of the clicks that were taken."""
        return self._counts.as_of

    @property
    def read_from(self) -> int:
        """The first record with clicks that later ones may go with."""
        return self._records[0][0] if self._records else self._read_from

    def take(self, message: AcceptedClicks, *, offset: int) -> None:
        """Count what has not been counted before of a record with this offset."""
        if message.log_id != self._log_id:
            self._log_id, self._counted_to, self._noted_to = message.log_id, 0, 0
            self._records.clear()
        newest = message.timestamp + max(message.times)
        self._counts.pass_time(newest)
        pairs: array[int] = array("q")
        times: list[int] = []
        weights: list[float] = []
        for position, timestamp, _, user, item, _, _ in message.clicks():
            if position < self._noted_to or not self._sums.allowed(user, item, timestamp, 1.0):
                continue
            if position >= self._counted_to:
                self._counts.count(user, item, timestamp, pairs, weights)
                times += [timestamp] * (len(pairs) - len(times))
            else:
                self._counts.note(user, item, timestamp)
        self._counts.weigh(pairs, times, weights)
        end = message.position + message.places[-1] + 1
        self._counted_to, self._noted_to = max(self._counted_to, end), max(self._noted_to, end)
        self._remember(offset, newest)

    def snapshot(self) -> CoClickSnapshot:
        """The strongest co-clicks, and the position."""
        return self.frozen()()

    def frozen(self) -> Callable[[], CoClickSnapshot]:
        """What makes a snapshot of this moment, in any thread; see ``CoClicks.frozen``."""
        make, position = self._counts.frozen(), (self._log_id, self._counted_to, self.read_from)

        def snapshot() -> CoClickSnapshot:
            log_id, counted_to, read_from = position
            return msgspec.structs.replace(make(), log_id=log_id, counted_to=counted_to, read_from=read_from)

        return snapshot

    def change_half_life(self, half_life_ms: float) -> None:
        """Go on with another half-life from the pairs that are listed now."""
        self._counts.change_half_life(half_life_ms)

    def _remember(self, offset: int, newest: int) -> None:
        """Forget records whose clicks are too old for any that may come, also for late ones."""
        if self._records and offset <= self._records[-1][0]:
            return  # it has come before
        self._newest = max(self._newest, newest)
        self._records.append((offset, newest))
        while self._records[0][1] < self._newest - 2 * self._counts.window_ms:
            self._records.popleft()
