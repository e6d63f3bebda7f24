"""How a difference is written."""

from __future__ import annotations

from mos_online.metrics.ranking import Estimate


def interval(difference: Estimate) -> str:
    """A difference with its interval.

    >>> interval(Estimate(mean=0.01, low=-0.002, high=0.03))
    '+0.0100 [-0.0020, +0.0300]'
    """
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
