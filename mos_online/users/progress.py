"""How far the profiles in the online store have come, and what is missing there.

The store itself cannot say that it has been emptied, or that it has come back with an old copy. So it holds, beside the
profiles, the offset in the topic `sessions` up to which they have come. Kafka knows the same from the commits of the
profiler. If the store says less, sessions are missing in it (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

REMEDY = (
    "`mos backfill --from-topic` adds what the topic `sessions` still has, while traffic goes on; profiles that came "
    "from your log need `mos backfill --dataset` again, too"
)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the profiles of one partition have come: a row of `profile_progress`.

    Attributes:
        partition: of the topic `sessions`.
        next_offset: the profiles hold the sessions of this partition before it, up to what is missing.
        missing_from: sessions from this offset on may be missing, because the store has lost them; -1 if none is.
        noticed_at: when the last loss was noticed, ms since 1970 UTC; 0 before the first.
    """

    partition: int
    next_offset: int = 0
    missing_from: int = -1
    noticed_at: int = 0

    def lost(self, since: int, *, now: int) -> Progress:
        """The progress after sessions from the offset ``since`` on have been found missing."""
        first = since if self.missing_from < 0 else min(since, self.missing_from)
        return msgspec.structs.replace(self, missing_from=first, noticed_at=max(now, self.noticed_at + 1))

    def advanced(self, offset: int) -> Progress:
        """The progress when the profiles hold the sessions before ``offset``, too."""
        return self if offset <= self.next_offset else msgspec.structs.replace(self, next_offset=offset)

    def whole(self) -> Progress:
        """The progress when nothing is missing any more."""
        return msgspec.structs.replace(self, missing_from=-1)


def judge(
    stored: Progress | None, partition: int, known: int, *, now: int, end: int | None = None, had_row: bool = False
) -> Progress:
    """What the store's row should be, by what is known elsewhere.

    Args:
        stored: the row; None if there is none.
        partition: of the topic `sessions`.
        known: an offset up to which the profiles have been written, by what Kafka or this process remembers.
        now: ms since 1970 UTC.
        end: the end of the partition, if that was looked at. A row that is behind it is of a topic that was deleted.
        had_row: whether the store is known to have had the row: then it is lost, even if no session was in it.

    Returns:
        ``stored`` itself if it is right. Otherwise the row that says from where on sessions are missing: from the
        beginning if the store has no row, and from the row's offset on if that is lower than ``known``.
    """
    if stored is None:
        fresh = Progress(partition=partition, next_offset=known)
        return fresh.lost(0, now=now) if known > 0 or had_row else fresh
    if end is not None and stored.next_offset > end:
        return msgspec.structs.replace(stored, next_offset=known)
    if stored.next_offset < known:
        return msgspec.structs.replace(stored.lost(stored.next_offset, now=now), next_offset=known)
    return stored


def describe(rows: Iterable[Progress]) -> str | None:
    """What is missing in the store, and how to mend it; None if nothing is."""
    missing = {row.partition: row.missing_from for row in rows if row.missing_from >= 0}
    if not missing:
        return None
    where = ", ".join(f"{partition} from offset {offset}" for partition, offset in sorted(missing.items()))
    what = "was emptied" if set(missing.values()) == {0} else "has lost sessions"
    return f"the online store {what}: profiles may lack sessions of partition {where}; {REMEDY}"
