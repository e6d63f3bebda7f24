"""Users who come back are no new users: what profiles know of the time before the learner's log."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.contracts import EventTypes, Session, SessionEvent, category_of
from mos_online.fine_tuning.earlier import earlier_sessions
from mos_online.users.profile import UserProfile, session_key
from tests.learning.records import session

TYPES = EventTypes.parse("view:1,*:exposure")
HOUR = 3_600_000
PAST = [
    session("u", number, closed_at=number * HOUR, items=items, category=category)
    for number, (items, category) in enumerate([(["a", "b"], "news"), (["c"], None), (["a", "d", "e"], "jazz")], 1)
]


def profile(user: str, sessions: Sequence[Session]) -> UserProfile:
    """As a profile keeps these sessions."""
    events = [event for one in sessions for event in one.events]
    return UserProfile(
        user_id=user,
        item_ids=[event.item_id for event in events],
        timestamps=[event.timestamp for event in events],
        categories=[category_of(event) for event in events],
        session_lengths=[len(one.events) for one in sessions],
        session_keys=[session_key(one.session_id) for one in sessions],
        session_closes=[one.watermark for one in sessions],
    )


def told(events: Sequence[SessionEvent]) -> list[tuple[str, int, str | None, str]]:
    return [(event.item_id, event.timestamp, category_of(event), event.event_type) for event in events]


def test_what_closed_before_the_log_began_comes_back_as_it_was() -> None:
    kept = [session("u", 8, closed_at=8 * HOUR), session("v", 9, closed_at=9 * HOUR)]
    after = session("u", 10, closed_at=10 * HOUR, items=["z"])
    found = earlier_sessions([profile("u", [*PAST, kept[0], after])], kept, TYPES, events=100)
    assert [told(one.events) for one in found] == [told(one.events) for one in PAST]
    assert [(one.started_at, one.ended_at, one.watermark) for one in found] == [
        (one.started_at, one.ended_at, one.watermark) for one in PAST
    ]
    ids = {one.session_id for one in [*found, *kept]} | {event.event_id for one in found for event in one.events}
    assert len(ids) == 5 + 6, "all ids differ"


def test_a_session_that_is_kept_comes_once() -> None:
    """One that was late lies in the log behind younger ones, and is older than they are."""
    assert earlier_sessions([profile("u", PAST)], [PAST[2], PAST[1], PAST[0]], TYPES, events=100) == []
    late = [session("u", 8, closed_at=8 * HOUR), PAST[2]]
    assert len(earlier_sessions([profile("u", PAST)], late, TYPES, events=100)) == 2
    of_another = [session("u", 8, closed_at=8 * HOUR), session("v", 1, closed_at=10)]
    assert len(earlier_sessions([profile("u", PAST)], of_another, TYPES, events=100)) == 3


def test_memory_is_bounded_and_no_profile_is_read_in_vain() -> None:
    read = []

    def profiles(user: str) -> UserProfile:
        read.append(user)
        return profile(user, [session(user, number, closed_at=number * HOUR) for number in (1, 2)])

    kept = [session(user, 8, closed_at=8 * HOUR) for user in "uvwx"]
    found = earlier_sessions(map(profiles, "uvwx"), kept, TYPES, events=5)
    assert {one.user_id for one in found} == {"u", "v"}
    assert len(read) <= 3


def test_without_an_action_in_the_log_nothing_is_made_up() -> None:
    only_seen = EventTypes.parse("view:exposure,*:1")
    assert earlier_sessions([profile("u", PAST)], [session("u", 8, closed_at=8 * HOUR)], only_seen, events=100) == []
