"""When records arrive: wrong clocks of producers change nothing for others, and the worker's is read repeatably."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as replace_rules

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.sessions import Output, SessionConfig, Sessionizer, SessionizerCheckpoint
from mos_online.sessions.arrival import FOREVER, READ_EVERY, READINGS, WINDOW, WorkerArrival
from mos_online.sessions.checkpoint import ArrivalBounded
from mos_online.sessions.clock import EventTimeClock
from mos_online.sessions.decisions import DecisionLog

NOW = 1_700_000_000_000
CONFIG = SessionConfig(gap=3000, lateness=1000, max_events=4, max_duration=20_000, idle_timeout=2000, max_future=5000)
YEAR = 365 * 86_400_000


@dataclass(frozen=True)
class Arrived:
    """A record of the log: when the broker appended it, and whether its producer's clock is right."""

    at: int
    message: list[Click] | Heartbeat
    right: bool


def click(number: int, user: str, timestamp: int) -> Click:
    return Click(event_id=f"e{number:03}", user_id=user, item_id="i", timestamp=timestamp)


@st.composite
def mixed_logs(draw: st.DrawFn) -> list[Arrived]:
    """Live data with pauses. A right click arrives within the lateness; a wrong one, or heartbeat, says any time."""
    at, log = NOW, []
    for number in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, 100, 900, 1999, 2000, 2500, 4000, 9000]))
        if draw(st.booleans()):
            delay = draw(st.integers(0, CONFIG.lateness))
            log.append(Arrived(at, [click(number, draw(st.sampled_from("ab")), at - delay)], right=True))
            continue
        wrong = draw(st.sampled_from([1, 999, 4999, 5000, 5001, 40 * 60_000, YEAR, -1, -1500, -60_000, -YEAR]))
        message: list[Click] | Heartbeat = [click(number, "w", at + wrong)]
        if wrong > 0 and draw(st.booleans()):
            message = Heartbeat(heartbeat=at + wrong)
        log.append(Arrived(at, message, right=False))
    return log


def run(log: list[Arrived], *, by_broker: bool) -> list[Output]:
    """With the broker's time, or with that of a worker that takes each record at once."""
    sessionizer = Sessionizer(CONFIG, partition=0)
    out: list[Output] = []
    end = log[-1].at + 10**6
    for offset, record in enumerate([*log, Arrived(end, Heartbeat(heartbeat=end), right=True)]):
        if not by_broker:
            sessionizer.decide(newest_of(record.message), end=offset + 1, now=record.at)
        out += sessionizer.process(record.message, offset=offset, arrived_at=record.at, by_broker=by_broker)
        assert sessionizer.watermark <= record.at, "the watermark is ahead of the arrival"
    return out


def newest_of(message: list[Click] | Heartbeat) -> int:
    return message.heartbeat if isinstance(message, Heartbeat) else max(one.timestamp for one in message)


def right_sessions(out: list[Output]) -> list[Session]:
    found = [output for output in out if isinstance(output, Session) and output.user_id != "w"]
    return sorted(found, key=lambda session: session.session_id)


@given(mixed_logs(), st.booleans())
@settings(max_examples=400)
def test_a_wrong_clock_changes_no_session_of_the_others(log: list[Arrived], by_broker: bool) -> None:
    out = run(log, by_broker=by_broker)
    right = [record for record in log if record.right]
    alone = run(right, by_broker=by_broker) if right else []
    assert right_sessions(out) == right_sessions(alone)
    assert not any(isinstance(output, LateEvent) and output.click.user_id != "w" for output in out)


def arrival(**changes: int) -> tuple[WorkerArrival, EventTimeClock, DecisionLog]:
    clock, decisions = EventTimeClock(CONFIG), DecisionLog(CONFIG)
    checkpoint = replace(SessionizerCheckpoint.of_nothing(CONFIG), **changes)
    return WorkerArrival(clock, decisions, checkpoint, log_end=100), clock, decisions


def test_while_nothing_is_ahead_the_clock_makes_no_difference() -> None:
    of, clock, decisions = arrival()
    assert of.decide(NOW, offset=0, end=1, now=NOW, config=CONFIG), "times so late have not been taken before"
    assert not of.decide(NOW + WINDOW, offset=1, end=2, now=NOW + WINDOW, config=CONFIG)
    assert (clock.bound, list(decisions), of.limits(CONFIG)) == (None, [], (FOREVER, FOREVER))


def test_a_reading_holds_for_a_second_and_ends_when_nothing_has_been_ahead_for_a_while() -> None:
    of, clock, decisions = arrival()
    for offset, (newest, later) in enumerate([(60_000, 0), (0, 999), (1000, 1000), (2500, 2500), (9000, 9000)]):
        assert of.decide(NOW + newest, offset=offset, end=offset + 1, now=NOW + later, config=CONFIG)
    assert [(one.offset, one.arrival) for one in decisions if isinstance(one, ArrivalBounded)] == [
        (0, NOW),
        (2, NOW + 1000),
        (3, NOW + 2500),
        (4, None),
    ]
    assert clock.bound is None


def test_a_reading_rejects_what_is_too_far_ahead_and_nothing_that_is_not_ahead_at_all() -> None:
    of, clock, _ = arrival()
    clock.bound = NOW
    assert of.limits(CONFIG) == (NOW, NOW + CONFIG.max_future)
    strict = replace_rules(CONFIG, max_future=0)
    assert of.limits(strict) == (NOW, NOW + READ_EVERY)  # a reading is up to a second old


def test_what_another_worker_has_decided_is_decided() -> None:
    of, clock, decisions = arrival(bounded_to=50)
    clock.bound = NOW
    assert not of.decide(NOW + 60_000, offset=10, end=50, now=NOW + 60_000, config=CONFIG)
    assert (clock.bound, list(decisions)) == (NOW, [])


def test_what_another_worker_may_have_taken_is_not_ahead_of_our_clock() -> None:
    of, clock, _ = arrival(clock_limit=NOW + 500)
    assert not of.decide(NOW + 500, offset=99, end=100, now=NOW, config=CONFIG)
    assert of.decide(NOW + 500, offset=100, end=101, now=NOW, config=CONFIG)
    assert clock.bound == NOW


def test_what_no_other_worker_can_have_taken_and_all_after_it_is_judged_by_our_clock() -> None:
    of, clock, _ = arrival(clock_limit=NOW + 500)
    assert of.decide(NOW + 501, offset=50, end=51, now=NOW + 501, config=CONFIG)
    assert clock.bound is None
    assert of.decide(NOW + 502, offset=51, end=52, now=NOW + 501, config=CONFIG)
    assert clock.bound == NOW + 501


def test_what_must_be_decided_apart() -> None:
    of, _, _ = arrival(bounded_to=10, clock_limit=NOW)
    assert of.together([(8, NOW), (9, NOW + 5), (10, 0)]) == 2  # decided by another worker
    assert of.together([(10, 0), (11, NOW), (12, NOW + 1), (13, 0)]) == 2  # perhaps taken by another worker
    assert of.together([(12, NOW + 1), (13, 0)]) == 2
    assert of.together([(100, 0), (101, NOW + 1)]) == 2  # after the end of the log that it knew


def test_readings_are_bounded_in_number() -> None:
    of, _, decisions = arrival()
    now, config = NOW, replace_rules(CONFIG, max_future=60_000)
    for offset in range(20_000):
        now += 1000
        of.decide(now + 60_000, offset=offset, end=offset + 1, now=now, config=config)
    assert 3 * READINGS < len(list(decisions)) < 5 * READINGS
