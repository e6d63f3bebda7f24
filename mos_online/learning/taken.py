"""How far a part has taken in what it was given, so that a restart neither repeats nor leaves out anything."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mos_online.learning.part import LearningBatch


class Taken(msgspec.Struct, kw_only=True):
    """What a part has taken in.

    Attributes:
        to: event time (ms) of the last batch; -1 before the first.
        sessions, outcomes: of that event time, so many. Others may come late.
    """

    to: int = -1
    sessions: int = 0
    outcomes: int = 0

    def add(self, batch: LearningBatch) -> None:
        """Note a batch that is taken in."""
        if batch.event_time > self.to:
            self.to, self.sessions, self.outcomes = batch.event_time, 0, 0
        self.sessions += len(batch.sessions)
        self.outcomes += len(batch.outcomes)


class TakenBefore:
    """Divides the batches that are given again after a restart, in their order.

    In the log a late batch may be one with the batch before, which has the same event time.
    """

    def __init__(self, taken: Taken) -> None:
        """Know what was taken in before the restart; ``taken`` may go on changing."""
        self._to, self._sessions, self._outcomes = taken.to, taken.sessions, taken.outcomes

    def divide(self, batch: LearningBatch) -> tuple[LearningBatch, LearningBatch]:
        """What of a batch had been taken in, and what had not."""
        if not batch.again or batch.event_time > self._to:
            return replace(batch, sessions=(), outcomes=()), batch
        known = batch
        if batch.event_time == self._to:
            known = replace(batch, sessions=batch.sessions[: self._sessions], outcomes=batch.outcomes[: self._outcomes])
            self._sessions -= len(known.sessions)
            self._outcomes -= len(known.outcomes)
        sessions, outcomes = batch.sessions[len(known.sessions) :], batch.outcomes[len(known.outcomes) :]
        return known, replace(batch, sessions=sessions, outcomes=outcomes)
