"""Answers in which one slot sometimes holds a random candidate, so that what was not shown can be estimated.

With the probability epsilon, a slot that is drawn evenly holds a candidate that is drawn evenly from those behind the
list. So an item of the list stays at its place with the probability 1 - epsilon / k, and each of the others is at a
given place with the probability epsilon / (k (n - k)), where the list has k of n candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

POOL = 30
"""Candidates of an answer that may be explored: more would make the estimates less sure."""


def pool_size(k: int) -> int:
    """How many candidates are ranked for a list of k items; k of them at least are not on the list.

    >>> pool_size(10), pool_size(20)
    (30, 40)
    """
    return max(POOL, 2 * k)


class Explored(NamedTuple):
    """A list as it is shown.

    Attributes:
        items: as many as were asked for.
        slot: the place that was explored, counted from 0; None if none was.
    """

    items: list[str]
    slot: int | None


def explore(request_id: str, ranked: Sequence[str], k: int, epsilon: float) -> Explored:
    """The list of a request; the same for the same request and candidates.

    Args:
        request_id: whose hash is what is drawn.
        ranked: the candidates, best first.
        k: length of the list.
        epsilon: probability that a slot is explored.

    >>> explore("r-7", ["a", "b", "c", "d"], k=2, epsilon=1.0)
    Explored(items=['d', 'b'], slot=0)
    """
    items = list(ranked[:k])
    others = len(ranked) - len(items)
    first, second, third = _draws(request_id)
    if not others or not items or first >= epsilon:
        return Explored(items, None)
    slot = int(second * len(items))
    items[slot] = ranked[len(items) + int(third * others)]
    return Explored(items, slot)


def _draws(request_id: str) -> tuple[float, float, float]:
    """Three numbers in [0, 1)."""
    digest = blake2b(request_id.encode(), digest_size=24, person=b"exploration").digest()
    first, second, third = (int.from_bytes(digest[start : start + 8], "big") / 2**64 for start in (0, 8, 16))
    return min(first, _BELOW_ONE), min(second, _BELOW_ONE), min(third, _BELOW_ONE)


_BELOW_ONE = 1 - 2**-53
