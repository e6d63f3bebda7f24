"""How many sessions have each theme of late: the prior of the next session's theme."""

from __future__ import annotations

import msgspec

HALF_LIFE = 4_000.0
"""After so many sessions a session counts half."""

PRIOR = 1.0
"""Sessions of each theme that are added to those that were seen (Dirichlet)."""


class ThemeShares(msgspec.Struct, kw_only=True):
    """Decayed counts of sessions.

    Attributes:
        seen: sessions so far.
        counts: by theme, decayed to the theme's last session, which was number ``at``.
        at: by theme.
    """

    seen: int = 0
    counts: dict[int, float] = {}
    at: dict[int, int] = {}

    def add(self, theme: int) -> None:
        """Count a session; theme 0 has none."""
        self.seen += 1
        self.counts[theme] = self._now(theme) + 1
        self.at[theme] = self.seen

    def priors(self, themes: int) -> list[float]:
        """The chance of each theme 0, 1, ..., ``themes`` that the next session has it; they add up to 1."""
        counts = [self._now(theme) + PRIOR for theme in range(themes + 1)]
        total = sum(counts)
        return [count / total for count in counts]

    def _now(self, theme: int) -> float:
        if theme not in self.counts:
            return 0.0
        return float(self.counts[theme] * 0.5 ** ((self.seen - self.at[theme]) / HALF_LIFE))
