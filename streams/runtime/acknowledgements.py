"""Which records have been worked off, and so which offset may be committed."""

from __future__ import annotations

from collections.abc import Iterable

from faust.types import TP


class Acknowledgements:
    """The fetches of each partition, in the order of the log, and which of them have been acknowledged.

    The fetches of a partition follow each other without a break: what lies between two of them holds no records (the
    marks of transactions, what compaction has removed). So the offset to commit is the end of the last fetch before
    which nothing is unacknowledged. How large the fetches are, where they begin, and which offsets are missing does
    not matter. Used by one thread.

    >>> fetches = Acknowledgements()
    >>> fetches.fetched(clicks := TP("clicks", 0), 1)
    >>> fetches.fetched(clicks, 4)
    >>> fetches.acknowledge(clicks, 4)
    >>> fetches.committable(clicks)
    >>> fetches.acknowledge(clicks, 1)
    >>> fetches.committable(clicks)
    4
    """

    def __init__(self) -> None:
        self._fetches: dict[TP, dict[int, bool]] = {}
        self._committable: dict[TP, int] = {}

    def fetched(self, tp: TP, end: int) -> None:
        """The next records of a partition have been fetched; ``end`` is the offset behind the last of them."""
        self._fetches.setdefault(tp, {})[end] = False

    def acknowledge(self, tp: TP, end: int) -> None:
        """The fetch that ended at ``end`` has been worked off. One from before ``forget`` is ignored."""
        fetches = self._fetches.get(tp, {})
        if end not in fetches:
            return
        fetches[end] = True
        while fetches and fetches[first := next(iter(fetches))]:
            del fetches[first]
            self._committable[tp] = first

    def committable(self, tp: TP) -> int | None:
        """The offset up to which everything has been worked off; None if nothing has."""
        return self._committable.get(tp)

    def forget(self, partitions: Iterable[TP]) -> None:
        """These partitions are no longer ours, or are read again from another offset on."""
        for tp in partitions:
            self._fetches.pop(tp, None)
            self._committable.pop(tp, None)
