"""Keys go where every other client sends them."""

from __future__ import annotations

import pytest

from simulator.partition import partition_of


# The hashes of Kafka's own UtilsTest, as signed integers.
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_partition_is_the_java_client_s(key: bytes, expected: int) -> None:
    for partitions in (1, 3, 12, 1000, 2**31 - 1):
        assert partition_of(key, partitions) == (expected & 0x7FFFFFFF) % partitions
