"""Each click of a session counts once, whatever is killed, repeated, late or from the future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import AcceptedClick, AcceptedClicks, Click, Heartbeat, Session, actions_of
from mos_online.items.partition_count import PartitionCount
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.items.user_limits import UserLimits
from mos_online.sessions import AcceptedLog, Output, SessionConfig, Sessionizer, SessionizerCheckpoint

RULES = SessionConfig(gap=100, lateness=30, max_events=4, max_duration=250, max_future=60, min_timestamp=0)
NO_LIMITS = UserLimits(per_item=1e9, in_all=1e9)
HALF_LIFE = 50.0
KINDS = ("view", "purchase", "impression", "session_end", "like")
ARRIVAL, END = 10_000, 10**6


@st.composite
def logs(draw: st.DrawFn) -> list[list[Click]]:
    """Records of up to three clicks: in order or late, some from the future, some of them repeats."""
    seen: list[Click] = []
    log, now = [], 1000
    for number in range(draw(st.integers(0, 30))):
        now += draw(st.integers(0, 60))
        record = []
        for place in range(draw(st.integers(1, 3))):
            behind = draw(st.sampled_from([0, 0, 0, 20, 200, -(10**6)]))
            if seen and draw(st.integers(0, 4)) == 0:
                record.append(draw(st.sampled_from(seen)))
                continue
            click = Click(
                event_id=f"e{number}.{place}",
                user_id=draw(st.sampled_from("abc")),
                item_id=draw(st.sampled_from("xyz")),
                timestamp=max(0, now - behind),
                event_type=draw(st.sampled_from(KINDS)),
            )
            seen.append(click)
            record.append(click)
        log.append(record)
    return log


@dataclass
class Worker:
    """A sessionizer that publishes to lists, and is killed and started again."""

    log: list[list[Click]]
    published: list[AcceptedClicks]
    sessions: dict[str, Session]
    stored: SessionizerCheckpoint | None = None

    def run(self, stop: int, *, every: int) -> None:
        """Go on from the stored checkpoint up to an offset; store one after each ``every`` records."""
        self.stored = self.stored or SessionizerCheckpoint.of_nothing(RULES)
        published_to = self.stored.published_to
        sessionizer = Sessionizer(self.stored, partition=0)
        sessionizer.accepted = accepted = AcceptedLog()
        for offset in range(self.stored.start.offset, stop):
            self._keep(sessionizer.process(self.log[offset], offset=offset, arrived_at=ARRIVAL + offset))
            if offset % 2:
                self._publish(accepted)
            if offset % every == every - 1 and offset >= published_to:
                self._publish(accepted)
                self.stored = sessionizer.checkpoint()
        if stop == len(self.log):
            self._publish(accepted)
            self._keep(sessionizer.resume())
            self._keep(sessionizer.process(Heartbeat(heartbeat=END), offset=stop, arrived_at=END))

    def _publish(self, accepted: AcceptedLog) -> None:
        if (message := accepted.taken("a log")) is not None:
            self.published.append(message)

    def _keep(self, out: Sequence[Output]) -> None:
        self.sessions |= {one.session_id: one for one in out if isinstance(one, Session)}


def count(limits: UserLimits = NO_LIMITS, stored: PopularitySnapshot | None = None) -> PartitionCount:
    return PartitionCount(gap_ms=RULES.gap, half_life_ms=HALF_LIFE, partition=0, limits=limits, stored=stored)


def expected(sessions: Sequence[Session]) -> PopularitySnapshot:
    """One count of the actions of all sessions."""
    whole = ItemPopularity(gap_ms=RULES.gap, half_life_ms=HALF_LIFE, partition=0)
    for session in sessions:
        for event in actions_of(session):
            weight = RULES.types[event.event_type].weight
            whole.add(session.user_id, event.item_id, event.timestamp, weight=weight)
    return whole.snapshot(top=100)


def assert_same(found: PopularitySnapshot, wanted: PopularitySnapshot) -> None:
    assert found.as_of == wanted.as_of
    assert dict(zip(found.item_ids, found.users, strict=True)) == dict(zip(wanted.item_ids, wanted.users, strict=True))
    for name in ("counts", "slow_counts"):
        have, want = (dict(zip(one.item_ids, getattr(one, name), strict=True)) for one in (found, wanted))
        assert have == pytest.approx(want, rel=1e-9)
    assert (found.total, found.slow_total) == pytest.approx((wanted.total, wanted.slow_total), rel=1e-9)


@settings(max_examples=300, deadline=None)
@given(logs(), st.data())
def test_every_action_of_every_session_counts_once_and_nothing_else_does(
    log: list[list[Click]], data: st.DataObject
) -> None:
    """Sessionizer and popularity are killed at will: both go on from what they had stored."""
    worker = Worker(log, [], {})
    for stop in sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=3), label="kills of the sessionizer")):
        worker.run(stop, every=data.draw(st.integers(1, 4)))
    worker.run(len(log), every=2)

    kills = data.draw(st.lists(st.integers(0, len(worker.published)), max_size=3), label="kills of the popularity")
    written: PopularitySnapshot | None = None
    for stop in [*sorted(kills), len(worker.published)]:
        counts = count(stored=written)
        back = data.draw(st.integers(0, 3), label="records that come again")
        for offset in range(max(0, counts.read_to - back), stop):
            counts.take(worker.published[offset], offset=offset)
            if data.draw(st.booleans(), label="the row is written"):
                written = counts.snapshot(top=100)
    assert_same(counts.snapshot(top=100), expected(list(worker.sessions.values())))


def begun(published: Sequence[AcceptedClicks]) -> dict[str, float]:
    """The decayed clicks on each item that began a session: their users' newest ones were more than a gap away."""
    newest: dict[str, int] = {}
    found: list[tuple[str, int, float]] = []
    done = -1
    for message in published:
        for position, time, weight, user, item, *_ in message.clicks():
            if position > done:
                if user not in newest or time - newest[user] > RULES.gap:
                    found.append((item, time, weight))
                newest[user] = max(time, newest.get(user, time))
                done = position
    now = max(message.timestamp + max(message.times) for message in published)
    counts: dict[str, float] = {}
    for item, time, weight in found:
        counts[item] = counts.get(item, 0.0) + weight * 0.5 ** ((now - time) / HALF_LIFE)
    return counts


@settings(max_examples=200, deadline=None)
@given(logs(), st.data())
def test_what_began_a_session_is_known_after_kills_if_the_last_records_are_read_again(
    log: list[list[Click]], data: st.DataObject
) -> None:
    worker = Worker(log, [], {})
    worker.run(len(log), every=2)
    written: PopularitySnapshot | None = None
    kills = data.draw(st.lists(st.integers(0, len(worker.published)), max_size=3), label="kills")
    for stop in [*sorted(kills), len(worker.published)]:
        counts = count(stored=written)
        for offset in range(stop):
            counts.take(worker.published[offset], offset=offset)
            if data.draw(st.booleans(), label="the row is written"):
                written = counts.snapshot(top=100)
    found = counts.snapshot(top=100)
    expected = begun(worker.published) if worker.published else {}
    have = {item: one for item, one in zip(found.item_ids, found.start_counts, strict=True) if one}
    assert have == pytest.approx(expected, rel=1e-9)


def accepted_of(clicks: list[Click]) -> list[AcceptedClick]:
    sessionizer = Sessionizer(RULES, partition=0)
    sessionizer.accepted = accepted = AcceptedLog()
    sessionizer.process(clicks, offset=0, arrived_at=ARRIVAL)
    message = accepted.taken("a log")
    assert message is not None
    return [AcceptedClick(*click) for click in message.clicks()]


def test_a_click_ahead_of_its_arrival_weighs_no_more_than_one_that_was_sent_at_once() -> None:
    ahead = Click(event_id="a", user_id="u", item_id="i", timestamp=ARRIVAL + 50)
    assert [click.timestamp for click in accepted_of([ahead])] == [ARRIVAL]


def test_a_category_that_is_too_long_is_none() -> None:
    sent = [
        Click(event_id=f"e{n}", user_id="u", item_id="i", timestamp=ARRIVAL, context={"category": "c" * n})
        for n in (256, 257)
    ]
    assert [click.category for click in accepted_of(sent)] == ["c" * 256, None]


def test_another_log_is_counted_from_its_beginning() -> None:
    """A new broker begins at offset 0 while the store has the row of the old one."""
    old = count()
    old.take(AcceptedClicks.of("old", [AcceptedClick(5_000_000, 10, 1.0, "u", "i")]), offset=900)
    new = count(stored=old.snapshot())
    message = AcceptedClicks.of("new", [AcceptedClick(0, 10, 1.0, "v", "i")])
    for _ in range(2):
        new.take(message, offset=0)
        assert new.snapshot().counts == [2.0]


def test_one_user_cannot_make_an_item_popular() -> None:
    limits = UserLimits(per_item=5, in_all=100)
    counts = count(limits)
    clicks = [AcceptedClick(n, 1000, 1.0, "greedy", "garbage") for n in range(3000)]
    clicks += [AcceptedClick(3000 + n, 1000, 1.0, f"u{n}", "good") for n in range(20)]
    counts.take(AcceptedClicks.of("a log", clicks), offset=0)
    assert counts.snapshot().counts == [20.0, 5.0]
    assert counts.snapshot().item_ids == ["good", "garbage"]
    spread = [AcceptedClick(4000 + n, 1000, 5.0, "greedy", f"other {n}") for n in range(3000)]
    counts.take(AcceptedClicks.of("a log", spread), offset=1)
    assert counts.snapshot().total == 20 + limits.in_all


def test_another_half_life_keeps_the_position_and_the_items() -> None:
    counts = count()
    message = AcceptedClicks.of("a log", [AcceptedClick(0, 10, 1.0, "u", "i")])
    counts.take(message, offset=0)
    before = counts.snapshot()
    counts.change_half_life(10 * HALF_LIFE)
    counts.take(message, offset=0)
    assert counts.snapshot() == before
