"""Where a sequence of events is cut: the first session of literal times."""

from __future__ import annotations

import pytest

from mos_online.contracts import SESSION_END, SessionEvent
from mos_online.sessions import SessionConfig
from mos_online.sessions.cut import Cut, first_cut, whole_cut

CONFIG = SessionConfig(gap=100, max_events=4, max_duration=250)


def events(*times: int, end: int | None = None) -> list[SessionEvent]:
    """Events at ``times``, in order; the one at ``end`` is an end event."""
    return [
        SessionEvent(
            event_id=f"e{time}", item_id="i", timestamp=time, event_type=SESSION_END if time == end else "click"
        )
        for time in times
    ]


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (events(0), Cut(1, "gap", 101)),
        (events(0, 100), Cut(2, "gap", 201)),
        (events(0, 101), Cut(1, "gap", 101)),
        (events(0, 50, end=0), Cut(1, "end_event", 1)),
        (events(0, 50, end=50), Cut(2, "end_event", 51)),
        (events(0, 10, 20, 30), Cut(4, "max_events", 31)),
        (events(0, 10, 20, 30, 40), Cut(4, "max_events", 31)),
        (events(0, 10, 20, 30, end=30), Cut(4, "end_event", 31)),
        (events(0, 90, 180, 251), Cut(3, "max_duration", 251)),
        (events(0, 75, 150), Cut(3, "gap", 251)),
        (events(0, 75, 151), Cut(3, "max_duration", 251)),
    ],
    ids=[
        "one event",
        "a silence of exactly the gap",
        "a longer silence",
        "an end event first",
        "an end event last",
        "as many events as allowed",
        "more events than allowed",
        "an end event that is also the last allowed",
        "an event after the longest duration",
        "gap and longest duration end together",
        "the longest duration ends before the gap",
    ],
)
def test_the_first_session(sequence: list[SessionEvent], expected: Cut) -> None:
    assert first_cut(sequence, CONFIG) == expected


@pytest.mark.parametrize("times", [(0,), (0, 100), (0, 75, 150), (0, 75, 151)])
def test_a_run_without_breaks_needs_only_its_ends(times: tuple[int, ...]) -> None:
    assert whole_cut(len(times), times[0], times[-1], CONFIG) == first_cut(events(*times), CONFIG)
