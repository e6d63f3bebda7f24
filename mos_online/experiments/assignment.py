r"""Who gets which arm: a function of the user's id, so it is the same everywhere and nothing is stored.

Bucket of a user under a salt: the first 8 bytes of BLAKE2b (digest size 8) over ``salt``, a zero byte and the user's id
(UTF-8), read as a big-endian number, modulo 10,000. The same with other programs::

    printf 'home\0anna' | b2sum -l 64      # ae1bf2038440ba5e, which is 6782 modulo 10,000

An experiment takes ranges of its layer's buckets; a second salt, of the experiment and its version, draws the arm. Both
are independent of each other and of other layers. A ramp adds ranges, so nobody who is in leaves or changes the arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

from mos_online.contracts import Assignment

BUCKETS = 10_000
"""A bucket is a ten-thousandth of the users."""


class Arm(NamedTuple):
    """One arm, and its share of the experiment's users in buckets (ten-thousandths)."""

    name: str
    buckets: int


class Split(NamedTuple):
    """One version of an experiment, as far as assignment goes.

    Attributes:
        experiment: its name.
        version: of the split; another version draws the arms anew.
        ranges: buckets of the layer, each from (included) to (excluded), that do not overlap.
        arms: their buckets sum to ``BUCKETS``.
    """

    experiment: str
    version: int
    ranges: Sequence[tuple[int, int]]
    arms: Sequence[Arm]


def bucket(salt: str, user_id: str) -> int:
    """The bucket of a user under a salt, from 0 to 9,999.

    >>> bucket("home", "anna"), bucket("home", "ben"), bucket("search", "anna")
    (6782, 7936, 5306)
    """
    digest = blake2b(f"{salt}\0{user_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def arm_salt(experiment: str, version: int) -> str:
    """The salt that draws the arms of one version of an experiment."""
    return f"{experiment}/{version}"


def assigned(layer: str, splits: Sequence[Split], user_id: str) -> Assignment | None:
    """The arm of a user in the one experiment of a layer that has the user's bucket, or None.

    Args:
        layer: its name, which is its salt.
        splits: the layer's experiments; their ranges do not overlap.
        user_id: any text.
    """
    place = bucket(layer, user_id)
    for split in splits:
        if any(low <= place < high for low, high in split.ranges):
            drawn = bucket(arm_salt(split.experiment, split.version), user_id)
            ends = accumulate(arm.buckets for arm in split.arms)
            arm = next(arm for arm, end in zip(split.arms, ends, strict=True) if drawn < end)
            return Assignment(split.experiment, split.version, arm.name, arm.buckets / BUCKETS)
    return None
