"""One list of two rankings, and which of them its clicks speak for: a fast first filter of frozen models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

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
