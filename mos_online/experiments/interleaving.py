"""One list of two rankings, and which of them its clicks speak for: a fast first filter of frozen models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from math import sqrt
from typing import Literal, NamedTuple

from mos_online.experiments.confidence_sequence import FIRST_LOOK, interval

Team = Literal["a", "b"]


class Interleaved(NamedTuple):
    """A list, and the ranking that gave each of its items."""

    items: list[str]
    teams: list[Team]


def team_draft(request_id: str, first: Sequence[str], second: Sequence[str], k: int) -> Interleaved:
    """Team-draft interleaving (Radlinski, Kurup & Joachims, CIKM 2008): the teams pick in turn, who begins is drawn.

    Args:
        request_id: whose hash is the coin of every round.
        first: ranking of team a, best first.
        second: ranking of team b.
        k: length of the list.

    >>> team_draft("r-1", ["x", "y", "z"], ["y", "x", "w"], k=3).items
    ['x', 'y', 'z']
    """
    items: list[str] = []
    teams: list[Team] = []
    rankings: dict[Team, Sequence[str]] = {"a": first, "b": second}
    chosen: set[str] = set()
    coins = int.from_bytes(blake2b(request_id.encode(), digest_size=64, person=b"interleaving").digest(), "big")
    while len(items) < k:
        order: tuple[Team, Team] = ("a", "b") if coins & 1 else ("b", "a")
        coins = (coins >> 1) | ((coins & 1) << 511)
        before = len(items)
        for team in order:
            pick = next((item for item in rankings[team] if item not in chosen), None)
            if pick is not None and len(items) < k:
                chosen.add(pick)
                items.append(pick)
                teams.append(team)
        if len(items) == before:
            break
    return Interleaved(items, teams)


def preference(teams: Sequence[Team], clicked: Collection[int]) -> float:
    """(clicks of a - clicks of b) / clicks, from -1 to 1; 0.0 without a click.

    Args:
        teams: of the items of a list, or of all lists of a user.
        clicked: places that were clicked.
    """
    ours = sum(1 if teams[place] == "a" else -1 for place in clicked)
    return ours / len(clicked) if clicked else 0.0


class Preferred(NamedTuple):
    """Which of two rankings users prefer.

    Attributes:
        users: whose clicks speak for one of them, or for both alike.
        for_a, for_b: users who prefer one; the others are ties.
        mean: of their preferences, from -1 (all prefer b) to 1 (all prefer a).
        low, high: bounds that hold after each user together; None before ``FIRST_LOOK`` users.
        sure_after: users after which the bounds left out 0 first; None: they never did.
    """

    users: int
    for_a: int
    for_b: int
    mean: float
    low: float | None
    high: float | None
    sure_after: int | None


def preferred(preferences: Sequence[float], *, expected: float, alpha: float = 0.05) -> Preferred:
    """The mean preference of users, with a confidence sequence (``confidence_sequence``).

    Args:
        preferences: of users with a click, in the order in which they became known.
        expected: users after which a decision is expected.
        alpha: chance that the true mean is ever outside.
    """
    mean, squares, sure_after = 0.0, 0.0, None
    low: float | None = None
    high: float | None = None
    for count, preference_of_user in enumerate(preferences, 1):
        off = preference_of_user - mean
        mean += off / count
        squares += off * (preference_of_user - mean)
        if count >= FIRST_LOOK:
            found = interval(count, mean, sqrt(squares / count), expected=expected, alpha=alpha)
            low, high = found.low, found.high
            if sure_after is None and found.excludes_zero:
                sure_after = count
    return Preferred(
        users=len(preferences),
        for_a=sum(one > 0 for one in preferences),
        for_b=sum(one < 0 for one in preferences),
        mean=mean,
        low=low,
        high=high,
        sure_after=sure_after,
    )
