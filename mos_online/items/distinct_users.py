"""How many different users there were, in 32 bytes.

Linear counting: Whang, Vander-Zanden and Taylor, "A linear-time probabilistic counting algorithm", 1990.
"""

from __future__ import annotations

import math
import zlib

BITS = 256

MOST = 500
"""More users cannot be told apart. Up to here the standard error is about 7 %."""


_ODD = 0x45D9F3B  # mixes the bits of a CRC, which is linear: ids that are counted up would hardly ever collide


def user_bit(user_id: str) -> int:
    """The bit of a user: a number with one of ``BITS`` bits set. Sets of users are joined with ``|``."""
    mixed = zlib.crc32(user_id.encode())
    mixed = ((mixed ^ mixed >> 16) * _ODD) & 0xFFFFFFFF
    return 1 << ((mixed ^ mixed >> 16) * _ODD >> 16) % BITS


def least_bits(users: int) -> int:
    """How many bits are expected of so many users (1 to ``MOST``).

    Fewer users than bits are impossible. So n users never pass for ``users`` if n is below ``least_bits(users)``,
    whatever their ids are.

    >>> least_bits(1), least_bits(60), least_bits(500)
    (1, 54, 220)
    """
    return math.ceil(BITS * (1 - math.exp(-users / BITS)))
