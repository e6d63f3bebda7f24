"""Producers with wrong clocks and producers with right ones in one partition: the wrong ones change nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat, LateEvent, Session
from mos_online.sessions import Output, SessionConfig, Sessionizer

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


def run(log: list[Arrived]) -> tuple[list[Output], Sessionizer]:
    sessionizer = Sessionizer(CONFIG, partition=0)
    out: list[Output] = []
    for offset, record in enumerate(log):
        out += sessionizer.process(record.message, offset=offset, arrived_at=record.at)
        assert sessionizer.watermark <= record.at, "the watermark is ahead of the arrival"
    end = log[-1].at + 10**6
    return out + sessionizer.process(Heartbeat(heartbeat=end), offset=len(log), arrived_at=end), sessionizer


def right_sessions(out: list[Output]) -> list[Session]:
    found = [output for output in out if isinstance(output, Session) and output.user_id != "w"]
    return sorted(found, key=lambda session: session.session_id)


@given(mixed_logs())
@settings(max_examples=400)
def test_a_wrong_clock_changes_no_session_of_the_others(log: list[Arrived]) -> None:
    out, _ = run(log)
    right = [record for record in log if record.right]
    alone = run(right)[0] if right else []
    assert right_sessions(out) == right_sessions(alone)
    assert not any(isinstance(output, LateEvent) and output.click.user_id != "w" for output in out)
