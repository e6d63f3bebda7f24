"""Fixed limits: beyond them something is broken, and learning from it would do harm."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

HALF_LIFE = 1_000.0
"""After so many answers an answer counts half."""

FEWEST = 500.0
"""With fewer answers, decayed, nothing is judged."""

WITHOUT_PROFILES = 0.2
"""Share of the answers that were given without the store."""

UNKNOWN_ITEMS = 0.5
"""Share of the answers to users of whose items the model knows none."""

WITHOUT_CLICK = 30.0
"""So many clicks were expected since the last one that came: by chance this happens once in e^30 times."""

Limit = tuple[float, float]
"""What was found, and what is allowed."""


class Answered(NamedTuple):
    """What of an answer the limits look at.

    Attributes:
        reason: of its fallback, None without one.
        expected, clicks: clicks that were expected of the items that were shown, and those that came.
    """

    reason: str | None
    expected: float
    clicks: int


class FixedLimits(msgspec.Struct, kw_only=True):
    """Decayed counts of answers, of one arm.

    Attributes:
        answers, without_profiles, unknown_items: answers, and those of them with these faults.
        silence: clicks that were expected since the last one came.
    """

    answers: float = 0.0
    without_profiles: float = 0.0
    unknown_items: float = 0.0
    silence: float = 0.0

    def add(self, answered: Answered) -> None:
        """Count an answer."""
        kept: Final = 0.5 ** (1 / HALF_LIFE)
        self.answers = self.answers * kept + 1
        self.without_profiles = self.without_profiles * kept + (answered.reason == "store_unavailable")
        self.unknown_items = self.unknown_items * kept + (answered.reason == "no_known_items")
        self.silence = 0.0 if answered.clicks else self.silence + answered.expected

    def broken(self) -> dict[str, Limit]:
        """The limits that do not hold: name -> what was found and what is allowed."""
        found: dict[str, Limit] = {}
        if self.answers >= FEWEST:
            shares = {
                "without_profiles": (self.without_profiles / self.answers, WITHOUT_PROFILES),
                "unknown_items": (self.unknown_items / self.answers, UNKNOWN_ITEMS),
            }
            found = {name: (share, most) for name, (share, most) in shares.items() if share > most}
        if self.silence > WITHOUT_CLICK:
            found["missing_clicks"] = (self.silence, WITHOUT_CLICK)
        return found
