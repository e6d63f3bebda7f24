"""The first hour of a user in an experiment: what guardrails watch, so that harm is seen long before windows close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec

from mos_online.contracts import Outcome, Session
from mos_online.experiments.counting import Counting
from mos_online.experiments.plan import Slow

EARLY = 3_600_000
"""Guardrails look at so many ms from a user's first exposure on, or at the window if that is shorter."""

SLOW: tuple[int, ...] = get_args(Slow)

MOST_LATENCY = 1e9
"""A longer time of one answer, ms, is a fault of whoever published it, and counts as not known."""


class EarlyRow(msgspec.Struct, kw_only=True, array_like=True):
    """What is known of a user for the guardrails; in JSON it is a list.

    Attributes:
        user_id, arm, exposed_at, until, settled_at: as of ``UserRow``, for the shorter window.
        first: items of the first answer, as they were shown.
        answers, fallbacks: answers that were shown, and those of them that fell back.
        slow: so many ms -> answers that took longer, if there are any; timed: of how many it is known.
        shown, clicked: items.
        themes: shown items by theme.
        popular: the sum over the shown items of their popularity.
        named, credited: clicks that name an answer, and those that were credited to one that they name.
    """

    user_id: str
    arm: str
    exposed_at: int
    until: int
    settled_at: int
    first: list[str] = []
    answers: int = 0
    fallbacks: int = 0
    slow: dict[int, int] = {}
    timed: int = 0
    shown: int = 0
    clicked: int = 0
    themes: dict[int, int] = {}
    popular: float = 0.0
    named: int = 0
    credited: int = 0

    @property
    def due(self) -> tuple[int, str]:
        """Users count in this order."""
        return self.settled_at, self.user_id

    def take_outcome(self, outcome: Outcome, popularity: Mapping[str, float]) -> None:
        """Count an answer that was shown in the first hour; another one changes nothing."""
        if not self.exposed_at <= outcome.timestamp < self.until or outcome.window_end > self.settled_at:
            return
        self.answers += 1
        self.fallbacks += outcome.fallback is not None
        if outcome.latency_ms is not None and outcome.latency_ms <= MOST_LATENCY:
            self.timed += 1
            for limit in SLOW:
                if outcome.latency_ms > limit:
                    self.slow[limit] = self.slow.get(limit, 0) + 1
        self.credited += outcome.clicks_by_request
        for item in outcome.items:
            if item.position is not None:
                self.shown += 1
                self.clicked += item.clicks > 0
                self.themes[item.theme] = self.themes.get(item.theme, 0) + 1
                self.popular += popularity.get(item.item_id, 0.0)

    def take_session(self, session: Session, counting: Counting) -> None:
        """Count the clicks of a closed session that name an answer."""
        if session.watermark <= self.settled_at:
            self.named += sum(
                event.request_id is not None and self.exposed_at <= event.timestamp < self.until
                for event in counting.actions(session)
            )
