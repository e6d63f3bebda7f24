"""Times that cannot be believed: where the limit lies, and what the sender is told."""

from __future__ import annotations

import pytest

from mos_online.contracts import Click, Heartbeat, LateEvent
from mos_online.sessions import ClockState, Rejected, SessionConfig, Sessionizer
from mos_online.sessions.clock import EventTimeClock
from mos_online.sessions.rejection import absurd_timestamp, future_timestamp, reused_event_id

CONFIG = SessionConfig(lateness=0, max_future=60, min_timestamp=1000)


def process(timestamp: int, arrived_at: int = 5000) -> list[object]:
    click = Click(event_id="e", user_id="u", item_id="i", timestamp=timestamp)
    return [*Sessionizer(CONFIG, partition=0).process([click], offset=0, arrived_at=arrived_at)]


def test_the_message_of_a_future_timestamp_names_the_times_and_the_remedy() -> None:
    assert future_timestamp(5061, 5000, allowed=60) == Rejected(
        "future_timestamp",
        "timestamp 5061 is 61 ms ahead of its arrival; at most 60 ms are allowed. Set the clock",
    )


def test_the_message_of_an_absurd_timestamp_names_the_times_and_the_remedy() -> None:
    assert absurd_timestamp(999, CONFIG) == Rejected(
        "absurd_timestamp",
        "timestamp 999 is before 1000; milliseconds since 1970 are expected, were seconds sent?",
    )


@pytest.mark.parametrize("timestamp", [1000, 5000, 5060])
def test_times_within_the_limits_are_taken(timestamp: int) -> None:
    assert process(timestamp) == []


def test_a_click_further_ahead_of_its_arrival_is_rejected() -> None:
    assert process(5061) == [future_timestamp(5061, 5000, allowed=60)]


def test_a_click_before_the_lowest_time_is_rejected() -> None:
    assert process(999) == [absurd_timestamp(999, CONFIG)]


def test_a_click_before_the_lowest_time_is_rejected_rather_than_late() -> None:
    sessionizer = Sessionizer(CONFIG, partition=0)
    sessionizer.process(Heartbeat(heartbeat=4000), offset=0, arrived_at=5000)
    old, late = (Click(event_id=str(t), user_id="u", item_id="i", timestamp=t) for t in (999, 1000))
    out = sessionizer.process([old, late], offset=1, arrived_at=5000)
    assert out == [
        absurd_timestamp(999, CONFIG),
        LateEvent(click=late, watermark=4000, late_by=3000, partition=0, offset=1),
    ]


def test_a_heartbeat_from_the_future_is_rejected_and_moves_nothing() -> None:
    sessionizer = Sessionizer(CONFIG, partition=0)
    out = sessionizer.process(Heartbeat(heartbeat=5061), offset=0, arrived_at=5000)
    assert out == [future_timestamp(5061, 5000, allowed=60)]
    assert sessionizer.watermark == -1


def test_nothing_is_due_before_the_first_record() -> None:
    checkpoint = Sessionizer(CONFIG, partition=0).checkpoint()
    assert checkpoint.published == ClockState()
    assert Sessionizer(checkpoint, partition=0).due(10**12) is None
    assert EventTimeClock(CONFIG, checkpoint.published).idle_watermark(10**12) is None


def test_another_event_with_the_id_and_the_time_of_one_is_rejected_and_names_the_remedy() -> None:
    sessionizer = Sessionizer(CONFIG, partition=0)
    first, other = (Click(event_id="e", user_id="u", item_id=item, timestamp=2000) for item in "ab")
    (rejected,) = sessionizer.process([first, other], offset=0, arrived_at=5000)
    assert rejected == reused_event_id(other)
    assert rejected.reason == "reused_event_id"
    assert "user u has another event with event_id e and timestamp 2000" in rejected.message
    assert sessionizer.open_events == 1


def test_an_id_that_is_used_again_at_another_time_is_another_event() -> None:
    sessionizer = Sessionizer(CONFIG, partition=0)
    clicks = [Click(event_id="1", user_id="u", item_id="i", timestamp=timestamp) for timestamp in (2000, 3000)]
    out = sessionizer.process(clicks, offset=0, arrived_at=5000)
    assert (out, sessionizer.open_events, sessionizer.duplicates) == ([], 2, 0)
