"""One user of an experiment: what happened in the user's window."""

from __future__ import annotations

from math import log2

import msgspec

from mos_online.contracts import Outcome, Session
from mos_online.experiments.counting import NOTHING, Counting, Sums

PARTS = 7
"""A window has so many equal parts, of which each shows how new the arm was to the user: days, if it is a week."""

DAY = 86_400_000


class UserRow(msgspec.Struct, kw_only=True, array_like=True):
    """What is known of a user from the first exposure on; while the window is open it grows.

    In JSON it is a list, because there may be a million of them.

    Attributes:
        user_id: of the user.
        arm: of the user, at the first exposure.
        exposed_at: time of the first exposure, ms.
        until: end of the window, ms, excluded.
        settled_at: what is complete only after this event time (ms) does not count.
        before: what the user did before.
        answers: that were shown.
        shown, clicked: items, by part of the window.
        ndcg: the sum over the answers of the NDCG with clicks as labels; 0 for an answer without a click.
        sessions: that began in the window; returned: whether one of them began within a day.
        conversions, value: in the window.
    """

    user_id: str
    arm: str
    exposed_at: int
    until: int
    settled_at: int
    before: Sums = NOTHING
    answers: int = 0
    shown: list[int] = msgspec.field(default_factory=lambda: [0] * PARTS)
    clicked: list[int] = msgspec.field(default_factory=lambda: [0] * PARTS)
    ndcg: float = 0.0
    sessions: int = 0
    returned: bool = False
    conversions: int = 0
    value: float = 0.0

    @property
    def due(self) -> tuple[int, str]:
        """Users count in this order."""
        return self.settled_at, self.user_id

    def take_outcome(self, outcome: Outcome) -> None:
        """Count an answer that was shown in the window; another one changes nothing."""
        if not self.exposed_at <= outcome.timestamp < self.until or outcome.window_end > self.settled_at:
            return
        seen = [item for item in outcome.items if item.position is not None]
        part = (outcome.timestamp - self.exposed_at) * PARTS // (self.until - self.exposed_at)
        self.answers += 1
        self.shown[part] += len(seen)
        self.clicked[part] += sum(item.clicks > 0 for item in seen)
        self.ndcg += ndcg([item.clicks > 0 for item in sorted(seen, key=lambda item: item.position or 0)])

    def take_session(self, session: Session, counting: Counting) -> None:
        """Count what of a closed session is in the window."""
        if session.watermark > self.settled_at:
            return
        begun = session.started_at
        self.sessions += self.exposed_at < begun < self.until
        self.returned |= self.exposed_at < begun < min(self.until, self.exposed_at + DAY)
        for event in session.events:
            if not self.exposed_at <= event.timestamp < self.until:
                continue
            if counting.converts(event):
                self.conversions += 1
                self.value += counting.value_of(event)


def ndcg(clicked: list[bool]) -> float:
    """NDCG of a list whose relevant items are those that were clicked; 0.0 without a click.

    >>> ndcg([True, False]), round(ndcg([False, True]), 4), ndcg([False])
    (1.0, 0.6309, 0.0)
    """
    gain = sum(1 / log2(place + 2) for place, one in enumerate(clicked) if one)
    best = sum(1 / log2(place + 2) for place in range(sum(clicked)))
    return gain / best if best else 0.0
