"""The popularity of one partition as the stream counts it: each accepted click once, within the limits of its user."""

from __future__ import annotations

import msgspec

from mos_online.contracts import AcceptedClicks
from mos_online.items.popularity import CountedClick, ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS, PopularitySnapshot
from mos_online.items.user_limits import UserLimits, UserSums

MOST_BYTES = 16 * 2**20
"""Memory of the items of a partition; see ``ItemPopularity``."""


class PartitionCount:
    """Counts the records of ``accepted-clicks`` of one partition, and says how far it has counted.

    A record may come again, and the sessionizer may publish clicks again after a crash. Positions in ``clicks`` tell:
    what has been counted before changes nothing. The snapshot holds the position. So whoever goes on from it counts
    each click once, too.

    It does not hold the sums of the users, which begin anew, nor items that are not listed, nor when the users clicked
    last. A click that was counted before and comes again tells the last, and is not counted.
    """

    def __init__(
        self,
        *,
        half_life_ms: float,
        gap_ms: int,
        partition: int,
        limits: UserLimits,
        stored: PopularitySnapshot | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            half_life_ms: of the counts.
            gap_ms: of sessions, see ``ItemPopularity``.
            partition: its number.
            limits: of each user.
            stored: what an earlier count of this partition has written.
        """
        self._limits = limits
        self._sums = UserSums(limits)
        self._log_id = stored.log_id if stored else ""
        self._counted_to = stored.counted_to if stored else 0
        self.read_to = stored.read_to if stored else 0
        self._items = ItemPopularity(
            half_life_ms=half_life_ms, gap_ms=gap_ms, partition=partition, most_bytes=MOST_BYTES
        )
        if stored is not None:
            self._items.resume(stored)

    def take(self, message: AcceptedClicks, *, offset: int) -> None:
        """Count what has not been counted before of a record with this offset."""
        if message.log_id != self._log_id:
            self._log_id, self._counted_to = message.log_id, 0
        counted_to, allowed = self._counted_to, self._sums.allowed
        counted: list[CountedClick] = []
        self._items.pass_time(message.timestamp + max(message.times))
        for position, timestamp, weight, user, item, category, _ in message.clicks():
            added = allowed(user, item, timestamp, weight) if position >= counted_to else 0.0
            counted.append((user, item, timestamp, added, category))
        self._items.add_all(counted)
        self._counted_to = max(counted_to, message.position + message.places[-1] + 1)
        self.read_to = max(self.read_to, offset + 1)

    @property
    def as_of(self) -> int:
        """Newest event time (ms) of the clicks that were taken, also of those beyond the limits of their users."""
        return self._items.as_of

    def snapshot(self, *, top: int = LISTED_ITEMS) -> PopularitySnapshot:
        """The most popular items, and the position."""
        return msgspec.structs.replace(
            self._items.snapshot(top=top),
            log_id=self._log_id,
            counted_to=self._counted_to,
            read_to=self.read_to,
        )

    def change_half_life(self, half_life_ms: float) -> None:
        """Go on with another half-life from the items that are listed now."""
        self._items = self._items.with_half_life(half_life_ms)
