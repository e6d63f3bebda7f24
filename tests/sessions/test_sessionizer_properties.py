"""The streaming sessionizer equals the offline oracle, under disorder, redelivery, crashes and any partitioning."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.sessions import Rejected, SessionConfig, Sessionizer, SessionizerCheckpoint, offline_sessions
from mos_online.sessions.offsets import BLOCK_SIZE

CONFIG = SessionConfig(gap=100, lateness=30, max_events=4, max_duration=250, idle_timeout=50, min_timestamp=0)
COLUMNS = ("user_id", "event_id", "item_id", "timestamp", "event_type", "session_id")
RULES = st.sampled_from([CONFIG, replace(CONFIG, publisher_ids=True, revision=2), replace(CONFIG, max_duration=70)])
ARRIVAL = 10**9  # a replay: data far older than its arrival, so the wall clock closes nothing
END = 10**6


def click(user: str, number: int, timestamp: int, event_type: str = "click", session: str | None = None) -> Click:
    return Click(
        user_id=user,
        event_id=f"e{number:04}",
        item_id="i",
        timestamp=timestamp,
        event_type=event_type,
        session_id=session,
    )


@st.composite
def logs(draw: st.DrawFn, *, disorder: int = CONFIG.lateness, users: str = "abc") -> list[Click]:
    """Clicks of a few users in arrival order: each at most ``disorder`` ms behind the newest before it."""
    steps = draw(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(users), st.integers(0, 20)), max_size=60))
    clicks, now = [], 1000
    for number, (step, user, kind) in enumerate(steps):
        now += step if step < 55 else step * 4
        behind = draw(st.integers(0, disorder)) if kind % 3 == 0 else 0
        event_type = "session_end" if kind == 20 else "click"
        clicks.append(click(user, number, now - behind, event_type, (None, "", "s", "t")[kind % 4]))
    return clicks


def run(
    sessionizer: Sessionizer, log: list[list[Click] | Heartbeat], start: int = 0
) -> list[Session | LateEvent | Rejected]:
    out: list[Session | LateEvent | Rejected] = []
    for offset in range(start, len(log)):
        out += sessionizer.process(log[offset], offset=offset, arrived_at=ARRIVAL + offset)
    return out


def whole(clicks: list[Click]) -> list[list[Click] | Heartbeat]:
    return [*([c] for c in clicks), Heartbeat(heartbeat=END)]


Found = dict[str, tuple[str, int, list[str]]]


def oracle(clicks: list[Click], config: SessionConfig = CONFIG) -> Found:
    if not clicks:
        return {}
    frame = pl.DataFrame(
        {name: [getattr(c, name) for c in clicks] for name in COLUMNS}, schema_overrides={"session_id": pl.String}
    )
    rows = offline_sessions(frame, config).iter_rows(named=True)
    return {row["session_id"]: (row["close_reason"], row["closes_at"], row["event_ids"]) for row in rows}


def as_oracle(out: list[Session | LateEvent | Rejected]) -> Found:
    sessions = [s for s in out if isinstance(s, Session)]
    found: Found = {s.session_id: (s.close_reason, s.watermark, [e.event_id for e in s.events]) for s in sessions}
    assert len(found) == len(sessions), "a session was closed twice"
    return found


@given(logs(), RULES)
@settings(max_examples=400)
def test_stream_equals_oracle_within_lateness(clicks: list[Click], rules: SessionConfig) -> None:
    out = run(Sessionizer(rules, partition=0), whole(clicks))
    sessions = [o for o in out if isinstance(o, Session)]
    assert len(sessions) == len(out)
    assert as_oracle(out) == oracle(clicks, rules)
    assert {s.revision for s in sessions} <= {rules.revision}


@given(logs(disorder=400), RULES)
def test_sessions_are_published_in_the_order_in_which_they_close(clicks: list[Click], rules: SessionConfig) -> None:
    """What the profiler needs to know a repeated session from a new one."""
    out = run(Sessionizer(rules, partition=0), whole(clicks))
    marks = [(s.watermark, s.user_id, s.session_id) for s in out if isinstance(s, Session)]
    assert marks == sorted(marks)


@given(logs(), RULES)
def test_a_session_closes_as_soon_as_nothing_can_change_it(clicks: list[Click], rules: SessionConfig) -> None:
    s = Sessionizer(rules, partition=0)
    for offset, c in enumerate(clicks):
        before = s.watermark
        for session in s.process([c], offset=offset, arrived_at=ARRIVAL + offset):
            assert isinstance(session, Session)
            assert before < session.watermark <= s.watermark


def test_publisher_sessions_stay_apart_however_they_interleave() -> None:
    rules = SessionConfig(gap=100, lateness=0, publisher_ids=True, min_timestamp=0)
    phone, desk, none = "1:uphone", "desk", None
    given = [phone, desk, none, phone, desk, none]
    clicks = [click("u", n, 1000 + 10 * n, session=name) for n, name in enumerate(given)]
    out = run(Sessionizer(rules, partition=0), whole(clicks))
    sessions = sorted([e.event_id for e in s.events] for s in out if isinstance(s, Session))
    assert sessions == [["e0000", "e0003"], ["e0001", "e0004"], ["e0002", "e0005"]]


@given(logs(disorder=400), RULES)
def test_late_events_are_reported_and_the_rest_equals_the_oracle(clicks: list[Click], rules: SessionConfig) -> None:
    out = run(Sessionizer(rules, partition=0), whole(clicks))
    late = {o.click.event_id: o for o in out if isinstance(o, LateEvent)}
    newest = -1
    for c in clicks:  # late means exactly: older than the newest before it, by more than the allowed lateness
        assert (c.event_id in late) == (newest >= 0 and c.timestamp < newest - CONFIG.lateness)
        newest = max(newest, c.timestamp)
    for o in late.values():
        assert o.late_by == o.watermark - o.click.timestamp > 0
    assert as_oracle(out) == oracle([c for c in clicks if c.event_id not in late], rules)


@given(logs(), st.data())
def test_any_partitioning_and_envelopes_give_the_same_sessions(clicks: list[Click], data: st.DataObject) -> None:
    partitions = data.draw(st.integers(1, 3))
    merged: Found = {}
    full: dict[str, Session] = {}
    for partition in range(partitions):
        mine = [c for c in clicks if ord(c.user_id) % partitions == partition]
        log: list[list[Click] | Heartbeat] = []
        for c in mine:  # join neighbours of one user into an envelope, at will
            last = log[-1] if log else None
            if isinstance(last, list) and last[-1].user_id == c.user_id and data.draw(st.booleans()):
                last.append(c)
            else:
                log.append([c])
        out = run(Sessionizer(CONFIG, partition=partition), [*log, Heartbeat(heartbeat=END)])
        merged |= as_oracle(out)
        full |= {s.session_id: s for s in out if isinstance(s, Session)}
    assert merged == oracle(clicks)
    single = run(Sessionizer(CONFIG, partition=0), whole(clicks))
    assert full == {s.session_id: s for s in single if isinstance(s, Session)}  # the watermark field too


@given(logs(), st.lists(st.integers(0, 10**6), max_size=20))
def test_redelivered_events_change_nothing(clicks: list[Click], again: list[int]) -> None:
    """A producer that retries sends the same event again, a little later."""
    log = list(clicks)
    for index in again:
        if clicks:
            chosen = clicks[index % len(clicks)]
            at = log.index(chosen)
            log.insert(min(at + 1 + index % 3, len(log)), chosen)
    out = run(Sessionizer(CONFIG, partition=0), whole(log))
    late = {o.click.event_id for o in out if isinstance(o, LateEvent)}
    first_was_taken = oracle(clicks)
    assert as_oracle(out) == first_was_taken
    assert late <= {c.event_id for c in clicks}


@dataclass
class Crashing:
    """A worker that publishes, checkpoints now and then, crashes now and then and re-reads the log.

    With ``stride`` 1 all records lie in one block of offsets, and each restart re-reads from the first one. With a
    whole block between two records a restart begins in the middle, as it does in a long log.
    """

    log: list[list[Click] | Heartbeat]
    rules: SessionConfig
    stride: int = 1
    published: list[Session | LateEvent | Rejected] = field(default_factory=list)
    checkpoint: SessionizerCheckpoint | None = None

    @property
    def published_to(self) -> int:
        """The number of records whose output had been published at the last checkpoint."""
        return self.records_before(self.checkpoint.published_to) if self.checkpoint else 0

    def restored(self, log_end: int) -> Sessionizer:
        """As a new worker, which finds the log so long."""
        if self.checkpoint is None:
            return Sessionizer(self.rules, partition=0)
        self.checkpoint = self.checkpoint.under(self.rules, log_end=log_end * self.stride)
        return Sessionizer(self.checkpoint, partition=0)

    def records_before(self, offset: int) -> int:
        return -(-offset // self.stride)

    def live(self, until: int, checkpoint_at: set[int], *, log_end: int = 0) -> None:
        sessionizer = self.restored(log_end)
        for number in range(self.records_before(self.checkpoint.start.offset) if self.checkpoint else 0, until):
            self.published += sessionizer.process(
                self.log[number], offset=number * self.stride, arrived_at=ARRIVAL + number
            )
            if number in checkpoint_at and number + 1 >= self.published_to:
                self.published += sessionizer.resume()
                self.checkpoint = sessionizer.checkpoint()


STRIDES = st.sampled_from([1, BLOCK_SIZE])


@given(logs(disorder=60), RULES, st.data())
@settings(max_examples=400)
def test_crashes_lose_nothing_and_repeat_only_identically(
    clicks: list[Click], rules: SessionConfig, data: st.DataObject
) -> None:
    log = whole(clicks)
    straight = run(Sessionizer(rules, partition=0), log)
    worker = Crashing(log, rules, data.draw(STRIDES))
    points = st.integers(0, len(log) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        until = data.draw(st.integers(worker.published_to, len(log)))
        worker.live(until, data.draw(st.sets(points, max_size=4)))
    worker.live(len(log), set())
    expected = {s.session_id: s for s in straight if isinstance(s, Session)}
    seen: dict[str, Session] = {}
    for s in worker.published:
        if isinstance(s, Session):
            assert expected.get(s.session_id) == s
            assert seen.setdefault(s.session_id, s) == s
    assert seen.keys() == expected.keys()
    lates = {o.click.event_id for o in straight if isinstance(o, LateEvent)}
    assert {o.click.event_id for o in worker.published if isinstance(o, LateEvent)} == lates


@given(logs(), RULES, RULES, st.data())
@settings(max_examples=300)
def test_other_rules_after_a_restart_lose_no_event_and_repeat_none(
    clicks: list[Click], old: SessionConfig, new: SessionConfig, data: st.DataObject
) -> None:
    log = whole(clicks)
    stride, gap = data.draw(STRIDES), data.draw(st.sampled_from([30, 100, 400]))
    before, after = Crashing(log, replace(old, gap=gap), stride), Crashing(log, new, stride)
    until = data.draw(st.integers(1, len(log)))
    before.live(until, {until - 1})  # a clean stop
    after.checkpoint = before.checkpoint
    middle = data.draw(st.integers(until, len(log)))
    after.live(middle, {middle - 1}, log_end=until)
    after.live(len(log), set())
    sessions = [s for s in before.published + after.published if isinstance(s, Session)]
    taken = [event.event_id for session in sessions for event in session.events]
    assert sorted(taken) == sorted(c.event_id for c in clicks)


@given(logs(), RULES)
def test_state_is_dropped_when_everything_has_closed(clicks: list[Click], rules: SessionConfig) -> None:
    sessionizer = Sessionizer(rules, partition=0)
    log = whole(clicks)
    run(sessionizer, log)
    assert sessionizer.open_events == 0
    assert sessionizer.open_users == 0
    checkpoint = sessionizer.checkpoint()
    assert checkpoint.start.offset == checkpoint.published_to == len(log)
    assert checkpoint.floors == {}


@given(logs(), st.integers(0, 60))
def test_records_already_taken_are_ignored(clicks: list[Click], back: int) -> None:
    """A rebalance can deliver offsets again to the worker that already has them."""
    log = whole(clicks)
    sessionizer = Sessionizer(CONFIG, partition=0)
    middle = len(log) // 2
    out = run(sessionizer, log[:middle])
    out += run(sessionizer, log, start=max(0, middle - back))
    assert as_oracle(out) == oracle(clicks)


LIVE = SessionConfig(gap=1000, lateness=10, idle_timeout=100, min_timestamp=0)


def test_quiet_live_partition_closes_by_the_wall_clock_within_the_stated_bound() -> None:
    s = Sessionizer(LIVE, partition=0)
    s.process([click("u", 1, 50_000)], offset=0, arrived_at=50_020)
    bound = 50_000 + LIVE.gap + LIVE.lateness + LIVE.idle_timeout + 20 + 1
    assert (s.due(bound - 1), s.due(bound)) == (None, 51_001)
    assert s.wall_clock_of(51_001) == bound
    (closed,) = s.advance(51_001)
    assert isinstance(closed, Session)
    assert (closed.close_reason, closed.watermark) == ("gap", 51_001)


def test_wall_clock_never_cuts_a_replay_of_old_data() -> None:
    s = Sessionizer(LIVE, partition=0)
    s.process([click("u", 1, 1000)], offset=0, arrived_at=10**12)
    assert s.due(10**12 + 10**9) is None
    out = s.process([click("u", 2, 1500)], offset=1, arrived_at=10**12 + 10**9)
    assert out == []
    assert s.open_events == 2


@pytest.mark.parametrize("pause", [0, 99, 100, 500, 2000])
def test_a_tick_only_brings_forward_what_the_next_record_does(pause: int) -> None:
    """Replaying the same log without the ticks gives the same sessions and the same late events."""
    log = [click("u", 1, 10_000), click("v", 2, 10_000 + pause), click("u", 3, 10_000 + 2 * pause + 5)]
    arrivals = [10_000, 10_000 + pause, 10_000 + 2 * pause + 5]
    ticked, plain = Sessionizer(LIVE, partition=0), Sessionizer(LIVE, partition=0)
    with_ticks: list[object] = []
    without: list[object] = []
    for offset, (c, at) in enumerate(zip(log, arrivals, strict=True)):
        with_ticks += ticked.process([c], offset=offset, arrived_at=at)
        without += plain.process([c], offset=offset, arrived_at=at)
        for now in range(at, at + pause, 25):
            if (watermark := ticked.due(now)) is not None:
                with_ticks += ticked.advance(watermark)
    end = Heartbeat(heartbeat=20_000)
    with_ticks += ticked.process(end, offset=3, arrived_at=20_000)
    without += plain.process(end, offset=3, arrived_at=20_000)
    assert with_ticks == without


def test_unbelievable_timestamps_are_rejected_and_move_nothing() -> None:
    s = Sessionizer(SessionConfig(), partition=0)
    now = 1_700_000_000_000
    s.process([click("u", 1, now)], offset=0, arrived_at=now)
    before = s.watermark
    (future,) = s.process([click("u", 2, now + 10**9)], offset=1, arrived_at=now)
    (seconds,) = s.process([click("u", 3, 1_700_000_000)], offset=2, arrived_at=now)
    (beat,) = s.process(Heartbeat(heartbeat=now + 10**9), offset=3, arrived_at=now)
    assert isinstance(future, Rejected)
    assert isinstance(seconds, Rejected)
    assert isinstance(beat, Rejected)
    assert (future.reason, seconds.reason, beat.reason) == ("future_timestamp", "absurd_timestamp", "future_timestamp")
    assert "seconds" in seconds.message
    assert s.watermark == before


def test_a_late_middle_event_bridges_two_open_runs_into_one_session() -> None:
    s = Sessionizer(SessionConfig(gap=100, lateness=500, min_timestamp=0), partition=0)
    out = run(s, [[click("u", 1, 1000)], [click("u", 2, 1150)], [click("u", 3, 1075)], Heartbeat(heartbeat=END)])
    (session,) = out
    assert isinstance(session, Session)
    assert [e.event_id for e in session.events] == ["e0001", "e0003", "e0002"]
