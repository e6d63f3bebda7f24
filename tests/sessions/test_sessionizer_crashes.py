"""Workers that crash at any step, with clocks that differ, on any log: nothing is lost, and repeats are identical."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat
from mos_online.sessions import SessionConfig, Sessionizer
from tests.sessions.simulated_worker import Appended, KilledError, Topics, Worker, check

NOW = 1_700_000_000_000
CONFIG = SessionConfig(gap=3000, lateness=1000, max_events=4, max_duration=9000, idle_timeout=2000, max_future=5000)
RULES = [
    CONFIG,
    replace(CONFIG, gap=1500),
    replace(CONFIG, gap=6000, max_duration=20_000),
    replace(CONFIG, max_events=2),
    replace(CONFIG, publisher_ids=True),
    replace(CONFIG, publisher_ids=True, max_events=3, revision=2),
    replace(CONFIG, lateness=3000, idle_timeout=1000),
]
STEPS = [0, 0, 1, 50, 300, 999, 1000, 2001, 4000, 8000]
ERRORS = [0, 0, 0, 0, -10, -900, -1001, -2500, -9000, 1, 400, 3000, 4999, 5001, 40 * 60_000, 10**10]


SEEDS = st.integers(0, 2**40)


class Story:
    """What happens to one partition, step by step, drawn from ``seed``: by hypothesis it would take seconds."""

    def __init__(self, seed: int, *, stamped: bool | None, rules: list[SessionConfig], polite: bool) -> None:
        self.random = random.Random(seed)
        self.topics = Topics()
        self.now = NOW
        self.stamped = stamped
        self.rules = rules
        self.polite = polite
        # Records close together lie in one block of offsets; records far apart each begin another one.
        self.gaps = self.random.choice([(0,), (0, 0, 0, 1), (0, 0, 100, 255, 256), (300,)])
        self.number = 0
        self.clicks: list[Click] = []
        self.worker: Worker | None = None

    def below(self, number: int) -> int:
        return self.random.randrange(number)

    def click(self) -> Click:
        self.number += 1
        kind, user = self.below(20), "ab"[self.below(2)]
        if self.clicks and kind == 0:
            return self.clicks[self.below(len(self.clicks))]
        timestamp, event_id = self.now + self.random.choice(ERRORS), f"e{self.number}"
        session = (None, "s", "t")[kind % 3]
        if self.clicks and kind in (1, 2):  # an id that is used again, with another time or with another content
            other = self.clicks[self.below(len(self.clicks))]
            event_id, user = other.event_id, other.user_id
            timestamp = timestamp if kind == 1 else other.timestamp
            session = other.session_id
        click = Click(
            event_id=event_id,
            user_id=user,
            item_id=f"i{self.number}",
            timestamp=timestamp,
            event_type="session_end" if kind == 3 else "click",
            session_id=session,
        )
        self.clicks.append(click)
        return click

    def append(self) -> None:
        offset = self.topics.end + self.random.choice(self.gaps)
        message: list[Click] | Heartbeat | None
        kind = self.below(20)
        if kind == 0:
            message = None
        elif kind == 1:
            message = Heartbeat(heartbeat=self.now + self.random.choice(ERRORS))
        else:
            clicks = [self.click() for _ in range(3 if kind < 5 else 1)]
            message = list({click.timestamp: click for click in reversed(clicks)}.values())
        stamped = bool(self.below(2)) if self.stamped is None else self.stamped
        self.topics.log.append(Appended(offset, self.now, message, stamped))

    def tick(self, worker: Worker) -> None:
        if not self.polite or worker.sessionizer.next_offset >= self.topics.end:
            worker.tick(self.now)

    def start(self, *, fuse: bool) -> None:
        """Start a worker, in a log of which retention has removed nothing that is open."""
        if self.below(2):
            self.topics.low = self.random.randint(self.topics.low, max(self.topics.low, self.topics.needed))
        rules = self.rules[self.below(len(self.rules))]
        skew = self.random.choice([0, 0, 0, -700, 700, -5000, 5000]) if self.stamped is not True else 0
        self.worker = Worker(self.topics, rules, skew=skew, fuse=self.below(40) if fuse else None)

    def step(self) -> None:
        """One thing happens; a worker that crashes is found gone."""
        kind = self.below(10)
        try:
            if kind < 4:
                self.append()
            elif kind == 4:
                self.now += self.random.choice(STEPS)
            elif self.worker is None:
                self.start(fuse=True)
            elif kind < 7:
                self.worker.take(1 + self.below(4), self.now)
            elif kind == 7:
                self.worker.store()
            elif kind == 8:
                self.tick(self.worker)
            else:
                raise KilledError
        except KilledError:
            self.worker = None
        self.now += self.random.choice(STEPS)

    def finish(self) -> None:
        """Start a worker that lives, and close everything."""
        self.worker = None
        self.start(fuse=False)
        assert self.worker is not None
        last = max((record.newest for record in self.topics.log), default=0)
        self.now = max(self.now, last) + 10**6
        for _ in range(2):
            end = Heartbeat(heartbeat=self.now)
            self.topics.log.append(Appended(self.topics.end, self.now, end, by_broker=True))
            self.now += 10**6
        self.worker.take(10**6, self.now)
        assert self.worker.sessionizer.open_events == 0


def told(seed: int, *, stamped: bool | None, rules: list[SessionConfig], polite: bool = False) -> Story:
    story = Story(seed, stamped=stamped, rules=rules, polite=polite)
    for _ in range(5 + story.below(60)):
        story.step()
    story.finish()
    return story


@given(SEEDS)
@settings(max_examples=500)
def test_on_the_brokers_time_every_event_ends_once_and_repeats_are_identical(seed: int) -> None:
    check(told(seed, stamped=True, rules=[CONFIG]).topics)


@given(SEEDS)
@settings(max_examples=500)
def test_on_the_workers_time_every_event_ends_once_and_repeats_are_identical(seed: int) -> None:
    check(told(seed, stamped=False, rules=[CONFIG]).topics)


@given(SEEDS)
@settings(max_examples=500)
def test_with_other_rules_and_clocks_after_each_crash_every_event_ends_once(seed: int) -> None:
    check(told(seed, stamped=None, rules=RULES).topics)


@given(SEEDS)
@settings(max_examples=500)
def test_on_the_brokers_time_a_replay_from_the_beginning_gives_the_same(seed: int) -> None:
    """If the wall clock has only closed what no record was waiting for, the log alone says it all."""
    topics = told(seed, stamped=True, rules=[CONFIG], polite=True).topics
    again, sessionizer = Topics(log=topics.log), Sessionizer(CONFIG, partition=0)
    for record in topics.log:
        for output in sessionizer.process(record.message, offset=record.offset, arrived_at=record.at):
            again.publish(output, record.offset)
    assert (again.sessions, again.late, again.rejected) == (topics.sessions, topics.late, topics.rejected)
