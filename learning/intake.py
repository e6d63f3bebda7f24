"""From records of Kafka to sessions and outcomes in order: decoding, repeats, and the order of event time."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

import msgspec
from confluent_kafka import Message

from learning import metrics
from learning.topics import TopicReader, arrived_at
from mos_online.contracts import NOT_JSON, OUTCOMES, SESSIONS, Outcome, Session, check_session
from mos_online.errors import ContractError
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell, EventOrder, Source, complete_at
from mos_online.learning.repeats import Repeats
from mos_online.settings import Settings

HELD = 100_000
"""With more records waiting than this, only the partitions that are behind are read."""

_SESSION, _OUTCOME = msgspec.json.Decoder(Session), msgspec.json.Decoder(Outcome)

LATEST_ALLOWED = 86_400_000
"""A record whose time is so much (ms) later than its arrival is refused: it would hold its partition back for ever."""

log = logging.getLogger(__name__)


class Intake:
    """Reads the topics, and gives out the cells of event time that are complete.

    Attributes:
        reader: of the topics.
        order: holds back what is not complete.
        counts: of this run: ``sessions``, ``outcomes``, ``repeated``, ``refused``.
    """

    def __init__(self, settings: Settings, kept: LearningLog, *, now: Callable[[], float] = time.time) -> None:
        """Go on where the log ends."""
        self._last: dict[Source, tuple[int, bytes]] = {}
        self.reader = TopicReader(settings, kept.offsets, kept=self._last)
        self.order = EventOrder(given_to=kept.event_time)
        self.counts: Counter[str] = Counter()
        self._offsets = dict(kept.offsets)
        self._repeats = {SESSIONS: Repeats(), OUTCOMES: Repeats()}
        self._now = now
        idle, window = settings.session_idle_timeout, settings.feedback_window
        self._caught_up_at = float("inf")
        self._patience = {SESSIONS: 2 * idle + 1, OUTCOMES: 2 * idle + 1 + window / 100}

    @property
    def caught_up(self) -> bool:
        """Whether what there was has been given out: where records go on coming, some of them always wait."""
        if not self.reader.caught_up:
            return False
        self._caught_up_at = min(self._caught_up_at, time.monotonic())
        return not self.order.held or time.monotonic() - self._caught_up_at > max(self._patience.values())

    def remember(self, cell: Cell) -> None:
        """Know the records of a cell of the log again."""
        for known in cell.records:
            self._repeats[known.source.topic].seen(known.value)
            if known.offset == self._offsets.get(known.source, 0) - 1:
                self._last[known.source] = known.offset, known.value

    def poll(self, seconds: float) -> list[Cell]:
        """Read for at most so long, and give out what is complete.

        Raises:
            BrokerError: no waiting mends what is wrong with Kafka.
        """
        found = self.reader.poll(seconds)
        while self.reader.replaced:  # offsets mean other records now
            source = self.reader.replaced.pop()
            self._offsets[source] = 0
        for source, message in found:
            self._take(source, message)
        for source in self.reader.sources:
            self.order.watch(source)
        self.reader.hold(self.order.ahead() if self.order.held > HELD else set())
        metrics.HELD.set(self.order.held)
        if not self.order.held:
            return []
        late = self.order.late
        cells = self.order.ready(self.order.event_time(self._idle(), int(self._now() * 1000)))
        metrics.LATE.inc(self.order.late - late)
        return cells

    def offsets(self, cells: list[Cell]) -> dict[Source, int]:
        """Where reading goes on when these cells, too, have been kept."""
        for cell in cells:
            for known in cell.records:
                self._offsets[known.source] = max(self._offsets.get(known.source, 0), known.offset + 1)
        return self._offsets

    def _idle(self) -> dict[Source, int]:
        """Partitions without new records, and how much longer one record may be under way than another, ms."""
        found = {}
        for topic, seconds in self._patience.items():
            idle = (source for source in self.reader.idle(seconds) if source.topic == topic)
            found.update(dict.fromkeys(idle, round(seconds * 1000)))
        return found

    def _take(self, source: Source, message: Message) -> None:
        value, arrived = message.value() or b"", arrived_at(message, int(self._now() * 1000))
        try:
            record = self._decode(source, value)
            if (at := complete_at(record)) > arrived + LATEST_ALLOWED:
                raise ContractError("future_timestamp", f"its time {at} is days after its arrival {arrived}")
        except ContractError as error:
            self.counts["refused"] += 1
            metrics.REFUSED.labels(source.topic, error.reason).inc()
            log.warning("%s[%d] at %s is not learned from: %s", *source, message.offset(), error)
            return
        if self._repeats[source.topic].seen(value):
            self.counts["repeated"] += 1
            metrics.REPEATS.labels(source.topic).inc()
            return
        self.counts[source.topic] += 1
        metrics.RECORDS.labels(source.topic).inc()
        self.order.add(source, int(message.offset() or 0), arrived, value, record)

    @staticmethod
    def _decode(source: Source, value: bytes) -> Session | Outcome:
        """Decode a record; raises ``ContractError`` if that cannot be done."""
        try:
            record: Session | Outcome = _SESSION.decode(value) if source.topic == SESSIONS else _OUTCOME.decode(value)
        except msgspec.ValidationError as error:
            raise ContractError("invalid", str(error)) from None
        except NOT_JSON as error:
            raise ContractError("not_json", f"not JSON: {error}") from None
        if isinstance(record, Session):
            check_session(record)
        return record
