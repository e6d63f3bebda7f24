"""Keys go where every other client sends them."""

from __future__ import annotations

import pytest

from simulator.partition import murmur2


# The vectors of Kafka's own UtilsTest, as signed integers.
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
def test_the_hash_is_the_java_client_s(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32
