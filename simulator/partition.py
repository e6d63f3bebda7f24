"""Which partition a key belongs to: the Java client's default, which librdkafka calls ``murmur2_random``.

The replay must know it to speak to single partitions (heartbeats, lag); every other client computes the same.
"""

from __future__ import annotations

_MULTIPLIER, _SEED, _WORD = 0x5BD1E995, 0x9747B28C, 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Partition (0-based) of a message with this key in a topic of ``partitions``.

    >>> partition_of(b"foobar", 10)
    6
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 (A. Appleby) of 32 bits, with Kafka's seed; unsigned."""
    value = _SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        value = value * _MULTIPLIER & _WORD ^ word
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _WORD
    value = (value ^ value >> 13) * _MULTIPLIER & _WORD
    return value ^ value >> 15
