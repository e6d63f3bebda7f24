"""What of a session counts: actions, conversions and their value, and clicks that name an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import NamedTuple

from mos_online.contracts import EventTypes, Session, SessionEvent

MOST_VALUE = 1e9
"""A larger value of one conversion is a fault of whoever published it, and counts as none."""


class Sums(NamedTuple):
    """What a user did in some time.

    Attributes:
        sessions: that closed, or that began; whoever sums says which.
        actions: events that are actions.
        conversions: events that are conversions.
        value: the sum of their values.
    """

    sessions: float = 0.0
    actions: float = 0.0
    conversions: float = 0.0
    value: float = 0.0

    def plus(self, other: Sums) -> Sums:
        """The sum of both."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Sums()


class Counting:
    """Which events are conversions, and where their value is.

    Args:
        types: what the types of events mean.
        conversions: names of the types that are conversions.
        value: the name in the context of a conversion under which its value stands; None if there is none.
    """

    def __init__(
        self, types: EventTypes | None = None, *, conversions: Iterable[str] = ("purchase",), value: str | None = None
    ) -> None:
        self._types = types if types is not None else EventTypes.parse()
        self._conversions = frozenset(_plain(name) for name in conversions)
        self._value = value

    @property
    def rule(self) -> tuple[tuple[str, ...], str | None]:
        """The types that are conversions, sorted, and where their value is."""
        return tuple(sorted(self._conversions)), self._value

    def actions(self, session: Session) -> Iterator[SessionEvent]:
        """The events that are actions: what ended the session is none."""
        return (event for event in session.events if self._types[event.event_type].kind == "action")

    def converts(self, event: SessionEvent) -> bool:
        """Whether an event is a conversion."""
        return _plain(event.event_type) in self._conversions

    def value_of(self, event: SessionEvent) -> float:
        """The value of a conversion; 0.0 where it has none that can be one."""
        found = event.context.get(self._value) if event.context and self._value is not None else None
        if isinstance(found, bool) or not isinstance(found, int | float):
            return 0.0
        return float(found) if isfinite(found) and abs(found) <= MOST_VALUE else 0.0

    def sums(self, session: Session) -> Sums:
        """A whole session."""
        actions = list(self.actions(session))
        converted = [event for event in session.events if self.converts(event)]
        return Sums(1.0, float(len(actions)), float(len(converted)), sum(map(self.value_of, converted)))


def _plain(name: str) -> str:
    return name.strip().casefold()
