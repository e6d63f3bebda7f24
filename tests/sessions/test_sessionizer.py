"""What the sessionizer makes of its pieces: literal records, one fact each."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest

from mos_online.contracts import Click, LateEvent, Session
from mos_online.sessions import Output, SessionConfig, Sessionizer, SessionizerCheckpoint
from mos_online.sessions.checkpoint import RulesChanged
from mos_online.sessions.offsets import BLOCK_SIZE

CONFIG = SessionConfig(gap=100, lateness=0, max_events=2, max_duration=10_000, min_timestamp=0)
ARRIVAL = 10**9


def click(time: int, user: str = "u") -> Click:
    return Click(event_id=f"e{time}", user_id=user, item_id="i", timestamp=time)


def take(sessionizer: Sessionizer, record: int, *clicks: Click) -> list[Output]:
    """The record of that number; each begins a block of offsets, so that a restart can begin at any of them."""
    return sessionizer.process(list(clicks), offset=record * BLOCK_SIZE, arrived_at=ARRIVAL)


def times(out: list[Output]) -> list[list[int]]:
    return [[event.timestamp for event in session.events] for session in out if isinstance(session, Session)]


def cut_and_going_on() -> SessionizerCheckpoint:
    """Records 0 (user v), 1 and 2 (a full session of u, published) and 3 (u goes on); v and u have open sessions."""
    sessionizer = Sessionizer(CONFIG, partition=0)
    take(sessionizer, 0, click(1000, "v"))
    take(sessionizer, 1, click(1010))
    take(sessionizer, 2, click(1020))
    assert times(take(sessionizer, 3, click(1030))) == [[1010, 1020]]
    return sessionizer.checkpoint()


END = 3 * BLOCK_SIZE + 1


def under(rules: SessionConfig) -> SessionizerCheckpoint:
    return cut_and_going_on().under(rules, log_end=END)


def test_other_rules_begin_where_the_log_ended_at_the_restart() -> None:
    """Up to there the worker before may have published what its rules gave, whatever its checkpoint says."""
    new = changed(CONFIG, gap=10_000)
    restored = Sessionizer(cut_and_going_on().under(new, log_end=4 * BLOCK_SIZE + 1), partition=0)
    for record, one in enumerate([click(1000, "v"), click(1010), click(1020), click(1030)]):
        take(restored, record, one)
    assert times(take(restored, 4, click(1200, "w"))) == [[1000], [1030]]  # by the old gap
    assert times(take(restored, 5, click(1500, "w"))) == []
    assert restored.open_users == 1


def test_the_same_rules_change_nothing() -> None:
    checkpoint = cut_and_going_on()
    assert checkpoint.under(CONFIG, log_end=10**6) is checkpoint
    new = changed(CONFIG, gap=200)
    planned = checkpoint.under(new, log_end=10**6)
    assert planned.under(new, log_end=10**7) is planned
    assert [plan.offset for plan in planned.under(CONFIG, log_end=10**7).planned] == [10**6, 10**7]


def test_a_log_that_lacks_what_is_open_is_noticed() -> None:
    restored = Sessionizer(cut_and_going_on().beginning_at(2 * BLOCK_SIZE), partition=0)
    take(restored, 2, click(1020))
    take(restored, 3, click(1030))
    restored.resume()
    assert restored.missing_events == 1  # v's


def test_there_is_no_checkpoint_while_the_log_is_re_read() -> None:
    with pytest.raises(RuntimeError, match="call resume first"):
        Sessionizer(cut_and_going_on(), partition=0).checkpoint()


def test_a_checkpoint_says_where_the_oldest_open_event_is_and_where_a_published_session_ended() -> None:
    checkpoint = cut_and_going_on()
    assert (checkpoint.start.offset, checkpoint.published_to) == (0, 3 * BLOCK_SIZE + 1)
    assert checkpoint.floors == {"u": (1020, "e1020")}


def test_a_re_read_that_begins_within_a_published_session_does_not_glue_its_tail_to_the_next_one() -> None:
    restored = Sessionizer(cut_and_going_on().beginning_at(2 * BLOCK_SIZE), partition=0)
    assert take(restored, 2, click(1020)) == []
    assert take(restored, 3, click(1030)) == []
    assert times(take(restored, 4, click(2000))) == [[1030]]


def test_a_re_read_publishes_nothing_and_the_record_after_it_does() -> None:
    restored = Sessionizer(cut_and_going_on(), partition=0)
    assert take(restored, 0, click(1000, "v")) == []
    assert take(restored, 1, click(1010)) == []
    assert take(restored, 2, click(1020)) == []
    assert take(restored, 3, click(1030)) == []
    assert times(take(restored, 4, click(2000))) == [[1000], [1030]]


def test_records_before_the_published_offset_are_ignored_when_the_re_read_was_ended_early() -> None:
    restored = Sessionizer(cut_and_going_on(), partition=0)
    restored.resume()
    assert restored.next_offset == 3 * BLOCK_SIZE + 1
    take(restored, 3, click(1030))
    assert restored.open_events == 0


def test_changed_rules_hold_for_the_lateness_too() -> None:
    restored = Sessionizer(under(changed(CONFIG, lateness=500)), partition=0)
    restored.resume()
    take(restored, 4, click(2000))
    assert restored.watermark == 1500


def test_a_change_of_rules_is_remembered_as_long_as_a_restart_reads_from_before_it() -> None:
    new = changed(CONFIG, gap=200)
    restored = Sessionizer(under(new), partition=0)
    take(restored, 0, click(1000, "v"))
    restored.resume()
    checkpoint = restored.checkpoint()
    assert (checkpoint.rules, checkpoint.planned) == (CONFIG, [])
    (change,) = checkpoint.decisions
    assert change == RulesChanged(offset=END, watermark=1030, rules=new, floors={"u": (1020, "e1020")})


def test_a_change_of_rules_is_forgotten_when_a_restart_begins_after_it() -> None:
    new = changed(CONFIG, gap=200)
    restored = Sessionizer(under(new), partition=0)
    restored.resume()
    take(restored, 4, click(2000))
    checkpoint = restored.checkpoint()
    assert (checkpoint.rules, checkpoint.decisions) == (new, [])


def test_a_late_click_is_late_even_if_its_record_was_stamped_before_it() -> None:
    sessionizer = Sessionizer(changed(CONFIG, max_future=0), partition=0)
    take(sessionizer, 0, click(2000))
    late = click(1999)
    out = sessionizer.process([late], offset=BLOCK_SIZE, arrived_at=10)
    assert out == [LateEvent(click=late, watermark=2000, late_by=1, partition=0, offset=BLOCK_SIZE)]


def test_publisher_sessions_are_told_apart_whatever_characters_the_ids_have() -> None:
    sessionizer = Sessionizer(changed(CONFIG, publisher_ids=True), partition=0)
    for record, (user, session) in enumerate([("ab", "c"), ("a", "bc"), ("abc", None), ("abc", "")]):
        given = Click(event_id=f"e{record}", user_id=user, item_id="i", timestamp=1000, session_id=session)
        take(sessionizer, record, given)
    assert sessionizer.open_users == 3  # no id and an empty one are the same
