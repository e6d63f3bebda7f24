"""One partition of ``decisions``, ``impressions`` and ``accepted-clicks``, joined."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from mos_online import contracts
from mos_online.contracts import AcceptedClicks, Decision, Impression, Outcome
from mos_online.feedback.checkpoint import JoinerCheckpoint, JoinStep, Offsets
from mos_online.feedback.exposure import Exposure
from mos_online.feedback.input_clock import InputClock, joint_watermark
from mos_online.feedback.joiner import Joiner
from mos_online.settings import Settings
from publishing.producer import RecordProducer
from streams import metrics
from streams.kafka.records import Record
from streams.processors.checkpoint_topic import CheckpointTopic

INPUTS = (contracts.DECISIONS, contracts.IMPRESSIONS, contracts.ACCEPTED_CLICKS)

Message = Decision | Impression | AcceptedClicks


class JoinerPartition:
    """The joiner of one partition; used by one thread at a time.

    Event time goes on in steps. A step is durable, in a checkpoint, before an outcome of it is published
    (docs/adr/0016). So ``plan`` comes before ``advance``, and the caller stores the checkpoint in between and lets no
    record in.

    Attributes:
        number: of the partition.
        restored: whether it has caught up with the log as it was when the partition became ours.
        wanted: set to False, it makes the recovery give up.
        lock: held by whoever takes records or makes a step.
        joiner: holds the open decisions.
        checkpoints: where its checkpoints lie.
        checkpoint: of the last step that was made.
        next_offsets: of the next record of each input.
        taken_at: when (monotonic seconds) the last record of each input was taken.
        ended_since: since when (monotonic seconds) each input was found to have no more records at every look.
    """

    def __init__(self, settings: Settings, producer: RecordProducer, number: int) -> None:
        self.number = number
        self.checkpoints = CheckpointTopic(settings, producer, contracts.JOINER_CHECKPOINTS, number)
        self.restored = False
        self.wanted = True
        self.lock = asyncio.Lock()
        self.rules = settings.join_rules
        self._idle_timeout = settings.sessions.idle_timeout
        self.begin(JoinerCheckpoint.of_nothing(self.rules, Offsets(decisions=0, impressions=0, clicks=0)))

    def begin(self, checkpoint: JoinerCheckpoint) -> None:
        """Be at the first step of a checkpoint, with nothing taken."""
        first = checkpoint.steps[0]
        self.checkpoint = checkpoint
        self.joiner = Joiner(first.rules, watermark=first.watermark, log_id=first.log_id, counted_to=first.counted_to)
        self.next_offsets = dict(zip(INPUTS, first.taken.of_inputs(), strict=True))
        self.taken_at = dict.fromkeys(INPUTS, float("-inf"))
        self.ended_since = dict.fromkeys(INPUTS, float("inf"))
        self._clocks = {name: InputClock() for name in INPUTS}
        self._exposure = Exposure()
        self._planned: tuple[int, JoinerCheckpoint] | None = None
        self._measured: Counter[str] = Counter()

    def take(self, name: str, record: Record, message: Message | None, *, now: int) -> None:
        """Take a record of an input; ``message`` is None where it could not be used.

        Args:
            name: of the input, one of ``INPUTS``.
            record: the next one; one that was taken before is passed over.
            message: of the record.
            now: the worker's clock (ms): when it arrived, where no broker says so.
        """
        if record.offset < self.next_offsets[name]:
            return
        self.next_offsets[name] = record.offset + 1
        clock, arrived_at = self._clocks[name], record.arrived_at(now)
        if isinstance(message, AcceptedClicks):
            begin = self.joiner.counted_to if message.log_id == self.joiner.log_id else 0
            self.joiner.take_clicks(message, record.offset)
            for position, timestamp, _, _, item, _, _ in message.clicks():
                clock.observe(timestamp, arrived_at)
                if position >= begin:
                    self._exposure.click(item)
        elif isinstance(message, Decision):
            self.joiner.take_decision(message, record.offset)
            clock.observe(message.timestamp, arrived_at)
        elif message is not None:
            self.joiner.take_impression(message, record.offset)
            clock.observe(message.timestamp, arrived_at)

    def quiet(self, now: float) -> set[str]:
        """The inputs of which no record has come for the idle timeout; ``now`` in monotonic seconds."""
        return {name for name, at in self.taken_at.items() if now - at >= self._idle_timeout / 1000}

    def watermark(self, idle: Collection[str], now: int) -> int | None:
        """How far (ms) event time may go on now, if these inputs are idle; None if that is not worth a step."""
        joint = joint_watermark(self._clocks, idle, now, idle_timeout=self._idle_timeout, rules=self.rules)
        before = self.checkpoint.steps[-1].watermark
        worth = joint >= before + (self.rules.step if before >= 0 else 0) and self.joiner.due(joint)
        return joint if worth else None

    def plan(self, watermark: int) -> bytes:
        """Decide on a step; returns the checkpoint that must be durable before ``advance``."""
        taken = Offsets(*(self.next_offsets[name] for name in INPUTS))
        step = JoinStep.of(self.joiner, watermark, taken)
        checkpoint = self.checkpoint.with_step(step, self.joiner.needed())
        self._planned = watermark, checkpoint
        return contracts.encode(checkpoint)

    def advance(self) -> list[Outcome]:
        """Make the step that was planned; returns what has closed."""
        if self._planned is None:
            return []
        (watermark, self.checkpoint), self._planned = self._planned, None
        outcomes = self.joiner.advance(watermark)
        for outcome in outcomes:
            self._exposure.outcome(outcome)
        return outcomes

    def forget_measures(self) -> None:
        """Leave what was taken so far out of the metrics: it has been counted before."""
        self.joiner.counts.clear()
        self._exposure.clear()

    def measure(self) -> None:
        """Bring this partition's metrics up to date."""
        counts = self.joiner.counts
        for name, count in (counts - self._measured).items():
            metrics.JOINED.labels(name).inc(count)
        self._measured = counts.copy()
        metrics.JOIN_WATERMARK.labels(str(self.number)).set(self.joiner.watermark / 1000)
        exposure = self._exposure
        for counter, found in ((metrics.SHOWN_ITEMS, exposure.shown), (metrics.CLICKED_ITEMS, exposure.clicked)):
            for (shown_by, theme), count in found.items():
                counter.labels(shown_by, str(theme)).inc(count)
        for of, count in exposure.items.items():
            metrics.POPULARITY_ITEMS.labels(of).inc(count)
            metrics.ITEM_POPULARITY.labels(of).inc(exposure.popularity[of])
        exposure.clear()
