"""A replay that waits until the service has counted what was sent."""

from __future__ import annotations

import pytest

from mos_online.contracts import decode_clicks
from simulator.replay import FreshnessGuard, Replay, ReplayConfig, Speed
from simulator.replay.freshness import PATIENCE, Counted
from tests.simulator.test_replay import LOG, RULES, Topic

SPANS = {"popularity": 60_000.0, "co_clicks": 900_000.0}


class SlowService:
    """Counts a record so many seconds after it was sent."""

    def __init__(self, topic: Topic, delay: float, *, lost: int = -1) -> None:
        self.topic, self.delay, self.lost = topic, delay, lost
        self.asked = 0

    def counted(self) -> dict[tuple[str, int], int]:
        now, found = self.topic.time.now_ms(), dict[tuple[str, int], int]()
        for record in self.topic.records:
            message = decode_clicks(record.value)
            if isinstance(message, list) and record.arrived_at <= now - self.delay * 1000:
                for kind in SPANS:
                    if record.partition != self.lost:
                        found[kind, record.partition] = message[-1].timestamp
        return found

    def __call__(self) -> Counted:
        self.asked += 1
        return self.counted()


@pytest.mark.parametrize("speed", ["40/s", "400/s", "max"])
def test_no_click_is_sent_before_all_that_are_a_span_older_are_counted(speed: str) -> None:
    topic = Topic()
    service = SlowService(topic, 0.7)
    guard = FreshnessGuard(service, SPANS, partitions=topic.partitions)
    checked = 0

    def before(click: object) -> None:
        nonlocal checked
        now = decoded[checked]
        checked += 1
        known = service.counted()
        for record in topic.records[-200:]:
            message = decode_clicks(record.value)
            if isinstance(message, list):
                for kind, span in SPANS.items():
                    if message[0].timestamp <= now - span:
                        assert known.get((kind, record.partition), 0) >= message[0].timestamp

    clicks = LOG.clicks.head(400)
    decoded = clicks["timestamp"].to_list()
    run = Replay(
        clicks,
        topic,
        ReplayConfig(speed=Speed.parse(speed)),
        sessions=RULES,
        freshness=guard,
        before_click=before,
        clock=topic.time.clock,
    )
    reports = list(run.run())
    assert checked == len(clicks)
    assert guard.given_up == 0
    assert run.waited > 1
    assert any(report.waiting for report in reports)
    assert service.asked < 15 * (run.waited + 1)  # not more than ten times a second


def test_a_click_that_is_never_counted_is_waited_for_once() -> None:
    topic = Topic()
    guard = FreshnessGuard(SlowService(topic, 0.0, lost=1), SPANS, partitions=topic.partitions)
    clicks = LOG.clicks.head(30)
    run = Replay(
        clicks,
        topic,
        ReplayConfig(speed=Speed.parse("max")),
        sessions=RULES,
        freshness=guard,
        clock=topic.time.clock,
    )
    *_, last = run.run()
    assert last.sent == len(clicks)
    assert guard.given_up > 0
    assert run.waited > PATIENCE


def test_old_clicks_that_nobody_has_counted_do_not_hold_up_what_is_near_them() -> None:
    guard = FreshnessGuard(dict, {"popularity": 10.0}, partitions=2)
    guard.sent(0, 100)
    guard.sent(1, 105)
    assert guard.allows(109)
    assert not guard.allows(110)
