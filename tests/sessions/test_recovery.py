"""The re-read after a crash, and what was decided at each offset."""

from __future__ import annotations

from dataclasses import replace as changed

import msgspec
from msgspec.structs import replace

from mos_online.contracts import DEFAULT_EVENT_TYPES, Click
from mos_online.sessions import ClockState, SessionConfig, Sessionizer, SessionizerCheckpoint
from mos_online.sessions.checkpoint import (
    ArrivalBounded,
    LogPosition,
    PlannedRules,
    RulesChanged,
    WatermarkMoved,
)
from mos_online.sessions.decisions import DecisionLog
from mos_online.sessions.recovery import Recovery

OLD, NEW, NEWEST = SessionConfig(gap=100), SessionConfig(gap=200), SessionConfig(gap=300)
FIRST = RulesChanged(offset=50, watermark=500, rules=NEW, floors={"v": (450, "k")})
SECOND = WatermarkMoved(offset=60, watermark=600)
THIRD = ArrivalBounded(offset=70, arrival=700)
LAST = RulesChanged(offset=75, watermark=750, rules=NEWEST, floors={})
CLOCK = ClockState(newest=400, watermark=390, arrived_at=10**9)

CHECKPOINT = SessionizerCheckpoint(
    start=LogPosition(offset=40, clock=CLOCK),
    middle=None,
    published_to=80,
    published=replace(CLOCK, newest=800, watermark=790),
    decided=790,
    bounded_to=0,
    clock_limit=0,
    open_events=0,
    floors={"u": (600, "m")},
    rules=OLD,
    decisions=[FIRST, SECOND, THIRD, LAST],
    planned=[],
)


def click(time: int, event_id: str = "m", user: str = "u", session: str | None = None) -> Click:
    return Click(event_id=event_id, user_id=user, item_id="i", timestamp=time, session_id=session)


def test_a_click_up_to_the_floor_was_published() -> None:
    recovery = Recovery(CHECKPOINT)
    assert recovery.was_published(click(599, "z"))
    assert recovery.was_published(click(600, "m"))


def test_a_click_after_the_floor_was_not_published() -> None:
    recovery = Recovery(CHECKPOINT)
    assert not recovery.was_published(click(600, "n"))
    assert not recovery.was_published(click(601, "a"))


def test_the_floors_of_old_rules_hold_until_these_are_changed() -> None:
    recovery = Recovery(CHECKPOINT)
    assert recovery.was_published(click(450, "k", user="v"))
    list(recovery.decisions(50))
    assert not recovery.was_published(click(450, "k", user="v"))
    assert recovery.was_published(click(450, "k"))


def test_floors_are_those_of_the_windows_that_the_rules_gave() -> None:
    """A session of the publisher that was cut says nothing of another one, before and after a change of that rule."""
    apart = changed(OLD, publisher_ids=True)
    change = replace(FIRST, floors={"1:us": (450, "k")})
    recovery = Recovery(replace(CHECKPOINT, rules=apart, decisions=[change], floors={}))
    assert recovery.was_published(click(450, "k", session="s"))
    assert not recovery.was_published(click(450, "k", session="t"))


def test_decisions_are_repeated_where_they_were_made_and_once_each() -> None:
    recovery = Recovery(CHECKPOINT)
    assert list(recovery.decisions(49)) == []
    assert list(recovery.decisions(50)) == [FIRST]
    assert list(recovery.decisions(50)) == []
    assert list(recovery.decisions(72)) == [SECOND, THIRD]
    assert list(recovery.decisions(80)) == [LAST]


def test_decisions_after_the_restart_point_are_kept() -> None:
    decisions = DecisionLog(OLD, CHECKPOINT.decisions)
    decisions.forget_before(49)
    assert (decisions.rules, list(decisions)) == (OLD, CHECKPOINT.decisions)


def test_a_change_at_the_restart_point_is_what_the_re_read_begins_with() -> None:
    decisions = DecisionLog(OLD, CHECKPOINT.decisions)
    decisions.forget_before(60)
    assert (decisions.rules, list(decisions)) == (NEW, [THIRD, LAST])


def test_a_second_reading_of_the_clock_at_an_offset_takes_the_place_of_the_first() -> None:
    decisions = DecisionLog(OLD, [THIRD])
    decisions.add(replace(THIRD, arrival=None))
    assert list(decisions) == [replace(THIRD, arrival=None)]
    assert decisions.first_bound() is None
    decisions.add(ArrivalBounded(offset=71, arrival=710))
    assert decisions.first_bound() == 710


def test_a_sessionizer_that_has_nothing_to_re_read_gives_its_checkpoint_back() -> None:
    """A second crash loses nothing of what the first checkpoint said."""
    given = replace(
        CHECKPOINT,
        start=LogPosition(offset=80, clock=CHECKPOINT.published),
        rules=NEWEST,
        decisions=[],
        planned=[PlannedRules(offset=90, rules=OLD)],
    )
    again = Sessionizer(given, partition=0)
    assert again.resume() == []
    assert again.checkpoint() == given


def test_the_wire_format_of_a_checkpoint() -> None:
    """The names on the wire are fixed."""
    planned = [PlannedRules(offset=90, rules=OLD)]
    given = replace(CHECKPOINT, middle=LogPosition(offset=50, clock=CLOCK), planned=planned)
    wire = msgspec.json.encode(given)
    assert msgspec.json.decode(wire, type=SessionizerCheckpoint) == given
    rules = {
        "gap": 100,
        "lateness": 5000,
        "max_events": 500,
        "max_duration": 43_200_000,
        "idle_timeout": 5000,
        "live_within": 3_600_000,
        "max_future": 60_000,
        "publisher_ids": False,
        "revision": 1,
        "min_timestamp": 631_152_000_000,
        "event_types": DEFAULT_EVENT_TYPES,
    }
    clock = {"newest": 400, "watermark": 390, "arrived_at": 10**9, "by_broker": True, "bound": None}
    assert msgspec.json.decode(wire) == {
        "start": {"offset": 40, "clock": clock},
        "middle": {"offset": 50, "clock": clock},
        "published_to": 80,
        "published": {**clock, "newest": 800, "watermark": 790},
        "decided": 790,
        "bounded_to": 0,
        "clock_limit": 0,
        "open_events": 0,
        "floors": {"u": [600, "m"]},
        "rules": rules,
        "decisions": [
            ["rules", 50, 500, {**rules, "gap": 200}, {"v": [450, "k"]}],
            ["watermark", 60, 600],
            ["arrival", 70, 700],
            ["rules", 75, 750, {**rules, "gap": 300}, {}],
        ],
        "planned": [{"offset": 90, "rules": rules}],
        "log_id": "",
    }
