"""Counts what became of clicks because of their type."""

from __future__ import annotations

NAMED_TYPES = 20
"""So many undeclared event types are kept by name."""


class TypeCounts:
    """Of the clicks of one partition.

    Attributes:
        exposures: clicks that say that an item was shown; they are in no session.
        undeclared: clicks of a type that the table of event types does not name.
        undeclared_types: those types, at most ``NAMED_TYPES``.
    """

    def __init__(self) -> None:
        self.exposures = 0
        self.undeclared = 0
        self.undeclared_types: set[str] = set()

    def note_undeclared(self, event_type: str) -> None:
        """Count a click whose type the table does not name."""
        self.undeclared += 1
        if len(self.undeclared_types) < NAMED_TYPES:
            self.undeclared_types.add(event_type)
