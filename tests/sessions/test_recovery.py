"""The re-read after a crash, and the rules that were in force at each offset."""

from __future__ import annotations

import copy

import msgspec
from msgspec.structs import replace

from mos_online.contracts import DEFAULT_EVENT_TYPES, Click
from mos_online.sessions import ClockState, SessionConfig, Sessionizer, SessionizerCheckpoint
from mos_online.sessions.checkpoint import RuleChange
from mos_online.sessions.recovery import Recovery
from mos_online.sessions.rule_history import RuleHistory

OLD, NEW, NEWEST = SessionConfig(gap=100), SessionConfig(gap=200), SessionConfig(gap=300)
FIRST, SECOND = RuleChange(offset=50, watermark=500, rules=NEW), RuleChange(offset=70, watermark=700, rules=NEWEST)


CHECKPOINT = SessionizerCheckpoint(
    offset=40,
    clock=ClockState(newest=400, watermark=390, arrived_at=10**9),
    published_to=80,
    watermark=790,
    floors={"u": (600, "m")},
    rules=OLD,
    changes=[FIRST, SECOND],
)


def click(time: int, event_id: str = "m", user: str = "u") -> Click:
    return Click(event_id=event_id, user_id=user, item_id="i", timestamp=time)


def test_a_click_up_to_the_floor_was_published() -> None:
    recovery = Recovery(CHECKPOINT)
    assert recovery.was_published("u", click(599, "z"))
    assert recovery.was_published("u", click(600, "m"))


def test_a_click_after_the_floor_was_not_published() -> None:
    recovery = Recovery(CHECKPOINT)
    assert not recovery.was_published("u", click(600, "n"))
    assert not recovery.was_published("u", click(601, "a"))


def test_the_floor_of_one_user_says_nothing_of_another() -> None:
    assert not Recovery(CHECKPOINT).was_published("v", click(10))


def test_rules_change_again_where_they_changed_the_first_time_and_once_each() -> None:
    recovery = Recovery(CHECKPOINT)
    assert list(recovery.rule_changes(49)) == []
    assert list(recovery.rule_changes(50)) == [FIRST]
    assert list(recovery.rule_changes(50)) == []
    assert list(recovery.rule_changes(80)) == [SECOND]


def test_an_offset_that_was_jumped_over_brings_its_changes_all_the_same() -> None:
    assert list(Recovery(CHECKPOINT).rule_changes(75)) == [FIRST, SECOND]


def test_a_recovery_leaves_its_checkpoint_as_it_was() -> None:
    before = copy.deepcopy(CHECKPOINT)
    list(Recovery(CHECKPOINT).rule_changes(80))
    assert before == CHECKPOINT


def test_changes_after_the_restart_point_are_kept() -> None:
    history = RuleHistory(OLD, [FIRST, SECOND])
    history.forget_before(49)
    assert (history.first, history.changes) == (OLD, [FIRST, SECOND])


def test_a_change_at_the_restart_point_is_what_the_re_read_begins_with() -> None:
    history = RuleHistory(OLD, [FIRST, SECOND])
    history.forget_before(50)
    assert (history.first, history.changes) == (NEW, [SECOND])


def test_the_last_of_several_changes_before_the_restart_point_counts() -> None:
    history = RuleHistory(OLD)
    history.add(FIRST)
    history.add(SECOND)
    history.forget_before(1000)
    assert (history.first, history.changes) == (NEWEST, [])


def test_a_sessionizer_that_has_read_nothing_yet_gives_its_checkpoint_back() -> None:
    """A second crash during the re-read loses nothing of what the first checkpoint said."""
    given = replace(
        CHECKPOINT, offset=80, rules=NEWEST, changes=[], clock=ClockState(newest=800, watermark=790, arrived_at=10**9)
    )
    again = Sessionizer(NEWEST, partition=0, checkpoint=given).checkpoint()
    assert again == given


def test_the_wire_format_of_a_checkpoint() -> None:
    """Stored checkpoints must stay readable, so the names on the wire are fixed."""
    given = replace(CHECKPOINT, changes=[FIRST])
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
    assert msgspec.json.decode(wire) == {
        "offset": 40,
        "clock": {"newest": 400, "watermark": 390, "arrived_at": 10**9, "by_broker": True},
        "published_to": 80,
        "watermark": 790,
        "floors": {"u": [600, "m"]},
        "rules": rules,
        "changes": [{"offset": 50, "watermark": 500, "rules": {**rules, "gap": 200}}],
    }
