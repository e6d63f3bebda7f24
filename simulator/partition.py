"""The partition of a key, as the Java client and librdkafka's ``murmur2_random`` choose it.

The replay must know it to speak to single partitions (heartbeats, lag).
"""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Partition (0-based) of a message with this key in a topic of ``partitions``.

    >>> partition_of(b"foobar", 10)
    6
    """
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
