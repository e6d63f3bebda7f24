"""Random numbers that are a function of who asks for the how-manyeth time, and of nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Floats, Floats32, Ints

Keys = NDArray[np.uint64]
"""One number for each (seed, user, request number)."""

STEP, WORD = 0x9E3779B97F4A7C15, 2**64 - 1
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""The constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""


class Draws:
    """Uniform numbers by (seed, user, request number, purpose).

    Two simulations with the same seed give a user the same luck at the same request, whatever else differs: what was
    recommended, to whom else, in which order, and how many were asked at once.

    >>> draws, users = Draws(seed=1), np.array([7, 8])
    >>> one, two = draws.keys(users, np.array([0, 3])), draws.keys(users[1:], np.array([3]))
    >>> bool(uniform(one, 0)[1] == uniform(two, 0)[0])
    True
    """

    def __init__(self, seed: int) -> None:
        self._seed, self._step = np.uint64(seed), np.uint64(STEP)

    def keys(self, users: Ints, numbers: Ints) -> Keys:
        """The keys of these users' requests; both int64 (n,), numbers from 0."""
        of_user = _mixed((users.astype(np.uint64) + np.uint64(1)) * self._step + self._seed)
        return _mixed(of_user + (numbers.astype(np.uint64) + np.uint64(1)) * self._step)


def uniform(keys: Keys, purpose: int) -> Floats:
    """One number in [0, 1) for each key, float64 (n,); another purpose gives another number."""
    words = _mixed(keys + np.uint64(STEP * (purpose + 1) & WORD)) >> np.uint64(11)
    return words.astype(np.float64) * 2.0**-53


def uniforms(keys: Keys, purpose: int, count: int) -> Floats32:
    """``count`` independent numbers in [0, 1) for each key, float32 (n, count), of 24 bits."""
    pairs = (np.arange((count + 1) // 2, dtype=np.uint64) + np.uint64((purpose + 1) << 16)) * np.uint64(STEP)
    words = _mixed(keys[:, None] + pairs).view(np.uint32)[:, :count]
    numbers: Floats32 = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return numbers


def _mixed(values: Keys) -> Keys:
    """The finaliser of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))
