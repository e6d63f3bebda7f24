"""Which rules were in force at which offset."""

from __future__ import annotations

from collections.abc import Iterable

from mos_online.sessions.checkpoint import RuleChange
from mos_online.sessions.config import SessionConfig


class RuleHistory:
    """The rules as far back as the next restart reads, so that it decides as was decided the first time.

    Attributes:
        first: the rules in force where the next restart begins to read.
        changes: the changes after that, oldest first.
    """

    def __init__(self, first: SessionConfig, changes: Iterable[RuleChange] = ()) -> None:
        self.first = first
        self.changes = list(changes)

    def add(self, change: RuleChange) -> None:
        """Note a change; its offset is not below that of the one before."""
        self.changes.append(change)

    def forget_before(self, offset: int) -> None:
        """The next restart begins at ``offset``: a change up to there becomes the rules to begin with."""
        while self.changes and self.changes[0].offset <= offset:
            self.first = self.changes.pop(0).rules
