"""When an interval is first given: the theorems hold for many users, and with a rare arm many users are few of it.

A user's contribution to the difference is the outcome by the probability of the arm. So with a rare arm few users make
all of it, and before some of them had an outcome that is not 0, the deviation is far too small. The rule is that of
Cochran for skewed means, users >= c skewness² (Sampling Techniques, 1977, section 2.15), applied to the contributions:
with the skewness g of the outcomes and the share p of an arm it says users p (1 - p) >= c g² (1 - 2p)².
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from mos_online.experiments.confidence_sequence import FIRST_LOOK

FEWEST_OF_ARM = 50
"""Users of each arm before the first look."""

SKEWED = 15.0
"""The c of the rule. Cochran's is 25, for an interval of one look, whose alpha is as small on each side.

It was chosen by simulation: 500 runs of 12,000 users without a difference, looked at after each user, with alpha 5 %.
If 1 % of the users click, and an arm has a fifth of them, a difference was falsely seen in 8.6 % of the runs with 6, in
5.4 % with 10, in 3.6 % with 15, and in 2.0 % with 25. The first look came at 1,000, 1,700, 2,600 and 4,300 users.
"""


def missing(users: Sequence[int], skewness2: float) -> tuple[int, int]:
    """About how many users of each of two arms are missing before the first look; (0, 0) if it may be now.

    The skewness of the next users is not known, so the numbers may still grow.

    Args:
        users: of both arms, so far.
        skewness2: the square of the skewness of all their outcomes.

    >>> missing([200, 200], 30.0), missing([390, 10], 1.0), missing([100, 100], 0.0)
    ((0, 0), (0, 40), (100, 100))
    """
    count = sum(users)
    rare = min(users) / count if count else 0.5
    needed = max(FEWEST_OF_ARM, ceil(SKEWED * skewness2 * (1 - 2 * rare) ** 2)) if count else FEWEST_OF_ARM
    found = [max(0, needed - one) for one in users]
    rest = FIRST_LOOK - count - sum(found)
    if rest > 0:
        found = [one + ceil(rest * ((users[place] / count) if count else 0.5)) for place, one in enumerate(found)]
    return found[0], found[1]
