"""A joiner that dies and takes the log again from its checkpoint publishes the same outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Decision, Impression, Outcome, encode
from mos_online.feedback.checkpoint import JoinerCheckpoint, JoinStep, Offsets
from mos_online.feedback.joiner import Joiner
from mos_online.feedback.rules import JoinRules
from tests.feedback.feedback_log import END, RULES, Event, Log, give, logs

OTHER = JoinRules(window=150, lateness=5)


@dataclass
class Worker:
    """Works as the processor does, on inputs that are lists. What it publishes, and its checkpoint, survive it."""

    inputs: tuple[list[Event], list[Event], list[Event]] = field(default_factory=lambda: ([], [], []))
    published: list[Outcome] = field(default_factory=list)
    stored: bytes = b""

    def start(self, rules: JoinRules, gone: tuple[int, ...] = (0, 0, 0)) -> None:
        """Take the log again; ``gone`` are the offsets before which nothing is there any more."""
        begin = JoinerCheckpoint.of_nothing(rules, Offsets(0, 0, 0))
        self.checkpoint = msgspec.json.decode(self.stored, type=JoinerCheckpoint) if self.stored else begin
        first, *steps = self.checkpoint.steps
        self.joiner = Joiner(first.rules, watermark=first.watermark, log_id=first.log_id, counted_to=first.counted_to)
        self.next = [max(one, low) for one, low in zip(first.taken.of_inputs(), gone, strict=True)]
        outcomes: list[Outcome] = []
        for step in steps:
            self.take(step.taken.of_inputs())
            self.joiner.rules = step.rules
            outcomes = self.joiner.advance(step.watermark)
        self.published += outcomes
        self.joiner.rules = rules
        self.take(tuple(map(len, self.inputs)))

    def take(self, ends: tuple[int, ...]) -> None:
        for number, (some, end) in enumerate(zip(self.inputs, ends, strict=True)):
            for offset in range(self.next[number], end):
                give(self.joiner, some[offset], offset)
            self.next[number] = max(self.next[number], end)

    def step(self, watermark: int, *, dies: bool) -> None:
        """Go on to a watermark; a worker that dies has stored its checkpoint, and may have published."""
        if watermark <= self.checkpoint.steps[-1].watermark:
            return
        step = JoinStep.of(self.joiner, watermark, Offsets(*self.next))
        self.checkpoint = self.checkpoint.with_step(step, self.joiner.needed())
        self.stored = encode(self.checkpoint)
        if not dies:
            self.published += self.joiner.advance(watermark)

    def once(self) -> dict[tuple[str, str, int], Outcome]:
        """What readers have who keep one outcome for each id: all that were published for it must be equal."""
        found: dict[tuple[str, str, int], Outcome] = {}
        for one in self.published:
            assert found.setdefault((one.user_id, one.request_id, one.timestamp), one) == one
        return found


def place_of(event: Event) -> int:
    return 0 if isinstance(event, Decision) else 1 if isinstance(event, Impression) else 2


@settings(max_examples=300, deadline=None)
@given(logs(), st.data())
def test_restarts_change_no_outcome(log: Log, data: st.DataObject) -> None:
    """Also where event time runs ahead of the lateness, so that some records are late, and under other rules."""
    worker, calm = Worker(), Worker()
    rules = RULES
    worker.start(rules)
    calm.start(rules)
    newest = -1
    for event in log.events:
        newest = max(newest, event.timestamp)
        for one in (worker, calm):
            one.inputs[place_of(event)].append(event)
            one.take(tuple(map(len, one.inputs)))
        what = data.draw(st.sampled_from(["nothing", "nothing", "step", "restart", "death in a step", "other rules"]))
        watermark = newest - data.draw(st.integers(-20, 60))
        if what == "step":
            worker.step(watermark, dies=False)
            calm.step(watermark, dies=False)
        elif what == "restart":
            worker.start(rules)
        elif what == "death in a step":
            worker.step(watermark, dies=True)
            calm.step(watermark, dies=False)
            worker.start(rules)
        elif what == "other rules":
            rules = OTHER if rules is RULES else RULES
            worker.start(rules)
            calm.joiner.rules = rules
    for one in (worker, calm):
        one.step(END + 10_000, dies=False)

    assert worker.once() == calm.once()


@settings(max_examples=200, deadline=None)
@given(logs(), st.lists(st.integers(0, 60), min_size=30, max_size=30))
def test_what_a_checkpoint_does_not_need_may_be_gone(log: Log, behind: list[int]) -> None:
    """Retention may drop all before ``first_needed``."""
    worker, calm = Worker(), Worker()
    worker.start(RULES)
    calm.start(RULES)
    newest = -1
    for event, distance in zip(log.events, behind, strict=False):
        newest = max(newest, event.timestamp)
        for one in (worker, calm):
            one.inputs[place_of(event)].append(event)
            one.take(tuple(map(len, one.inputs)))
            one.step(newest - distance, dies=False)
    worker.start(RULES, worker.checkpoint.first_needed)
    for one in (worker, calm):
        one.step(END + 10_000, dies=False)

    assert worker.once() == calm.once()


def test_a_checkpoint_has_few_steps_however_long_it_runs() -> None:
    worker = Worker()
    worker.start(RULES)
    for watermark in range(1, 5000, RULES.step):
        worker.step(watermark, dies=False)
    assert len(worker.checkpoint.steps) == 2
