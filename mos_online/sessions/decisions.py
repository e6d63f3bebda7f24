"""What was decided that does not follow from the log alone, as far back as a restart reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from mos_online.sessions.checkpoint import ArrivalBounded, Decision, RulesChanged
from mos_online.sessions.config import SessionConfig


class DecisionLog:
    """The decisions of a worker, so that a restart decides as was decided the first time.

    Attributes:
        rules: in force where the next restart begins to read.
    """

    def __init__(self, rules: SessionConfig, decisions: Iterable[Decision] = ()) -> None:
        self.rules = rules
        self._decisions = deque(decisions)

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._decisions)

    def add(self, decision: Decision) -> None:
        """Note a decision; its offset is not below that of the one before.

        A second bound of the arrival at the same offset takes the place of the first.
        """
        last = self._decisions[-1] if self._decisions else None
        if isinstance(decision, ArrivalBounded) and isinstance(last, ArrivalBounded) and last.offset == decision.offset:
            self._decisions.pop()
        self._decisions.append(decision)

    def forget_before(self, offset: int) -> None:
        """The next restart begins at ``offset``, with the clock of that moment: what was decided before is in it."""
        decisions = self._decisions
        while decisions and decisions[0].offset <= offset:
            first = decisions.popleft()
            if isinstance(first, RulesChanged):
                self.rules = first.rules

    def first_bound(self) -> int | None:
        """The oldest reading (ms) of the worker's clock that a restart must repeat; None if there is none."""
        for decision in self._decisions:
            if isinstance(decision, ArrivalBounded) and decision.arrival is not None:
                return decision.arrival
        return None
