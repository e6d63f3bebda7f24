"""Do the arms have the users that they were planned to have? Watched at every look.

The sequential test of a sample ratio mismatch of Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data"
(NeurIPS 2022, arXiv 2011.03567): the Bayes factor of a Dirichlet around the plan against the plan itself is an
e-process. Looked at as often as one likes, it reaches 1 / alpha with a probability of at most alpha if the plan holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, lgamma, log

CONCENTRATION = 1_000.0
"""Of the Dirichlet. Small mismatches are found sooner with more, large ones with less.

A true share of .51 instead of .50 is found by 40,000 users (median), .52 by 11,000 and .55 by 2,300."""

ALPHA = 0.001
"""The chance of a false alarm over the whole life of an experiment."""


def log_evidence(users: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """The natural logarithm of the e-value against the planned shares.

    Args:
        users: of each arm so far, at least 0.
        shares: planned, above 0, with the sum 1; as many as ``users``.
        concentration: of the Dirichlet around the plan.

    >>> round(log_evidence([5_000, 5_000], [0.5, 0.5]), 2), round(log_evidence([5_400, 4_600], [0.5, 0.5]), 1)
    (-1.2, 27.9)
    """
    evidence = lgamma(concentration) - lgamma(concentration + sum(users))
    for count, share in zip(users, shares, strict=True):
        prior = concentration * share
        evidence += lgamma(prior + count) - lgamma(prior) - count * log(share)
    return evidence


class SampleRatio:
    """Remembers the strongest evidence of all looks, since a mismatch that was seen does not go away.

    Args:
        shares: planned, above 0, with the sum 1.
        alpha: chance of a false alarm at any look.
    """

    def __init__(self, shares: Sequence[float], alpha: float = ALPHA) -> None:
        self._shares = tuple(shares)
        self._limit = log(1 / alpha)
        self.strongest = -inf

    def look(self, users: Sequence[int]) -> bool:
        """Whether the users of the arms, now or at an earlier look, contradict the plan."""
        self.strongest = max(self.strongest, log_evidence(users, self._shares))
        return self.mismatch

    @property
    def mismatch(self) -> bool:
        """Whether the plan was contradicted at any look."""
        return self.strongest >= self._limit
