"""The worker without Kafka: the same sessionizer, joiner and counts, fed in the order of event time."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import NamedTuple

from mos_online.contracts import Click, Decision, Heartbeat, Impression, Outcome, Session
from mos_online.feedback.joiner import Joiner
from mos_online.feedback.rules import JoinRules
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.partition_co_clicks import PartitionCoClicks
from mos_online.items.partition_count import PartitionCount
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.items.user_limits import UserLimits
from mos_online.learning.order import EventOrder, Source
from mos_online.learning.part import LearningBatch
from mos_online.sessions import AcceptedLog, SessionConfig, Sessionizer

LOG = "simulated"
SESSIONS, OUTCOMES = Source("sessions", 0), Source("outcomes", 0)

Record = Click | Decision | Impression


class Passed(NamedTuple):
    """What came out while event time passed.

    Attributes:
        sessions: closed ones, in the order in which they closed.
        batches: sessions and outcomes as a learner is given them.
    """

    sessions: list[Session]
    batches: list[LearningBatch]


class VirtualStream:
    """One partition of everything, on a virtual clock.

    Attributes:
        sent: records by their kind: clicks, decisions, impressions.
        refused: clicks that the sessionizer has not taken.
        outcomes: that have been published.
        joiner: joins the answers with what became of them.
    """

    def __init__(
        self,
        sessions: SessionConfig,
        rules: JoinRules,
        limits: UserLimits,
        *,
        half_life_ms: float,
        co_click_half_life_ms: float,
    ) -> None:
        """Begin with nothing.

        Args:
            sessions: rules of the sessionizer.
            rules: of the joiner.
            limits: of what a user adds to the counts.
            half_life_ms, co_click_half_life_ms: of the model in service.
        """
        self.sent: Counter[str] = Counter()
        self.refused = self.outcomes = 0
        self.joiner = Joiner(rules)
        self._sessionizer = Sessionizer(sessions, partition=0)
        self._accepted = self._sessionizer.accepted = AcceptedLog()
        self._counts = PartitionCount(half_life_ms=half_life_ms, gap_ms=sessions.gap, partition=0, limits=limits)
        self._together = PartitionCoClicks(
            half_life_ms=co_click_half_life_ms, window_ms=sessions.gap, partition=0, limits=limits
        )
        self._order = EventOrder((SESSIONS, OUTCOMES))
        self._waiting: list[tuple[int, int, Record]] = []
        self._number = self._offset = 0

    def send(self, record: Record) -> None:
        """Put a record on its way. It is taken when event time passes it."""
        self.sent[f"{type(record).__name__.lower()}s"] += 1
        self._number += 1
        heapq.heappush(self._waiting, (record.timestamp, self._number, record))

    def pass_time(self, event_time: int, *, learn: bool = True) -> Passed:
        """Take what happened before ``event_time`` (ms), in order: nothing older will be sent.

        Args:
            event_time: never goes back.
            learn: False: what comes out is not for a learner, as it was before the simulation.
        """
        sessions: list[Session] = []
        while self._waiting and self._waiting[0][0] < event_time:
            _, number, record = heapq.heappop(self._waiting)
            if isinstance(record, Click):
                self._process([record], record.timestamp, sessions)
            elif isinstance(record, Decision):
                self.joiner.take_decision(record, number)
            else:
                self.joiner.take_impression(record, number)
        self._process(Heartbeat(heartbeat=event_time), event_time, sessions)
        if (message := self._accepted.taken(LOG)) is not None:
            self.joiner.take_clicks(message, self._offset)
            self._counts.take(message, offset=self._offset)
            self._together.take(message, offset=self._offset)
        outcomes = self.joiner.advance(event_time)
        self.outcomes += len(outcomes)
        return Passed(sessions, self._batches(sessions, outcomes, event_time) if learn else [])

    def popularity(self) -> PopularitySnapshot:
        """What is popular now."""
        return self._counts.snapshot()

    def co_clicks(self) -> CoClickSnapshot:
        """What is clicked together."""
        return self._together.snapshot()

    def _process(self, message: list[Click] | Heartbeat, arrived_at: int, sessions: list[Session]) -> None:
        for out in self._sessionizer.process(message, offset=self._offset, arrived_at=arrived_at):
            if isinstance(out, Session):
                sessions.append(out)
            else:
                self.refused += 1
        self._offset += 1

    def _batches(self, sessions: list[Session], outcomes: list[Outcome], event_time: int) -> list[LearningBatch]:
        for session in sessions:
            self._order.add(SESSIONS, self._offset, event_time, b"", session)
        for outcome in outcomes:
            self._order.add(OUTCOMES, self._offset, event_time, b"", outcome)
        # The joiner gives an outcome one lateness after its window has closed.
        return [cell.batch() for cell in self._order.ready(event_time - self.joiner.rules.lateness)]
