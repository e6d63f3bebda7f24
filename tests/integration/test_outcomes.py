"""A real broker, sessionizer and joiner: the outcomes on the topic are those of the offline oracle."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import AcceptedClick, Click, Decision, Impression, Outcome
from mos_online.feedback.oracle import offline_outcomes
from simulator.partition import partition_of
from streams.broker.apache import ApacheBroker
from tests.feedback.feedback_log import decision
from tests.integration.stream_system import PARTITIONS, StreamSystem, stream_system

pytestmark = pytest.mark.slow

BEGIN = 1_600_000_000_000
FAR = BEGIN + 10**9
USERS = [f"u{number}" for number in range(30)]
RULES = {"MOS_FEEDBACK_WINDOW": "60", "MOS_FEEDBACK_LATENESS": "5", "MOS_SESSION_IDLE_TIMEOUT": "1"}
Sent = list[tuple[str, bytes]]


class Traffic:
    """Answers, and what users see of them and click, in order of time."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._now = BEGIN
        self.decisions: list[Decision] = []
        self.impressions: list[Impression] = []
        self.clicks: list[Click] = []

    def more(self, count: int) -> tuple[Sent, Sent, Sent]:
        """Go on; returns the new records of each topic, some of them twice."""
        rng = self._rng
        first = (len(self.decisions), len(self.impressions), len(self.clicks))
        for _ in range(count):
            self._now += rng.choice([10, 200, 3_000])
            user, number = rng.choice(USERS), len(self.decisions) + len(self.impressions) + len(self.clicks)
            items = [f"i{n}" for n in rng.sample(range(12), 4)]
            asked = rng.choice(self.decisions[-20:]).request_id if self.decisions else "?"
            what = rng.random()
            if what < 0.3:
                trigger = rng.choice(["request", "request", "session_closed", "test"])
                self.decisions.append(decision(f"r{number}", self._now, user=user, items=items, trigger=trigger))
            elif what < 0.5:
                owner = next((one.user_id for one in self.decisions if one.request_id == asked), user)
                self.impressions.append(
                    Impression(
                        event_id=f"s{number}", user_id=owner, request_id=asked, item_ids=items, timestamp=self._now
                    )
                )
            else:
                named = asked if rng.random() < 0.5 else None
                owner = next((one.user_id for one in self.decisions if one.request_id == named), user)
                self.clicks.append(
                    Click(event_id=f"e{number}", user_id=owner, item_id=items[0], timestamp=self._now, request_id=named)
                )
        everything: list[list[Decision] | list[Impression] | list[Click]] = [
            self.decisions,
            self.impressions,
            self.clicks,
        ]
        sent = [
            [(one.user_id, contracts.encode(one)) for one in some[start:] for _ in range(rng.choice([1, 1, 1, 2]))]
            for some, start in zip(everything, first, strict=True)
        ]
        return sent[0], sent[1], sent[2]


def send(system: StreamSystem, sent: tuple[Sent, Sent, Sent]) -> None:
    for topic, records in zip((contracts.DECISIONS, contracts.IMPRESSIONS, contracts.CLICKS), sent, strict=True):
        system.send(topic, records)


def end(system: StreamSystem) -> None:
    """Let event time of all partitions and inputs pass all windows."""
    users = {partition_of(user.encode(), PARTITIONS): user for user in USERS}
    assert len(users) == PARTITIONS
    for user in users.values():
        shown = Impression(event_id="end", user_id=user, request_id="end", item_ids=["i"], timestamp=FAR)
        click = Click(event_id="end", user_id=user, item_id="i", timestamp=FAR)
        parts = (decision("end", FAR, user=user, items=["i"]), shown, click)
        sent = [[(user, contracts.encode(part))] for part in parts]
        send(system, (sent[0], sent[1], sent[2]))


def published(system: StreamSystem) -> dict[str, Outcome]:
    """By request, as readers have them who keep one record for each; asserts that repeats are identical."""
    found: dict[str, bytes] = {}
    for record in system.records(contracts.OUTCOMES):
        assert record.value
        outcome = msgspec.json.decode(record.value, type=Outcome)
        assert record.key == outcome.user_id.encode()
        assert found.setdefault(outcome.request_id, record.value) == record.value
    return {name: msgspec.json.decode(value, type=Outcome) for name, value in found.items()}


def expected(traffic: Traffic, system: StreamSystem) -> list[tuple[object, ...]]:
    clicks = [
        AcceptedClick(n, one.timestamp, 1.0, one.user_id, one.item_id, None, one.request_id)
        for n, one in enumerate(traffic.clicks)
    ]
    rules = system.settings.join_rules
    return list(offline_outcomes(traffic.decisions, traffic.impressions, clicks, rules).drop("by_request").rows())


def rows(outcomes: dict[str, Outcome]) -> list[tuple[object, ...]]:
    found = [
        (one.user_id, one.request_id, rank, item.item_id, item.position, one.shown_by, item.clicks)
        for one in outcomes.values()
        for rank, item in enumerate(one.items)
    ]
    return sorted(found, key=lambda row: row[:3])


def test_a_joiner_that_is_killed_again_and_again_gives_the_outcomes_of_the_oracle(
    tmp_path: Path, free_port: Callable[[], int], kafka: ApacheBroker
) -> None:
    """On Apache Kafka, with both processors killed together; the joiner is up before the sessionizer has caught up."""
    with stream_system(tmp_path / "mos", free_port(), MOS_KAFKA=kafka.bootstrap, **RULES) as system:
        traffic = Traffic(seed=1)
        send(system, traffic.more(700))
        for _ in range(2):
            before = len(system.records(contracts.OUTCOMES))
            worker = system.worker("sessionizer,joiner")
            system.until(lambda before=before: len(system.records(contracts.OUTCOMES)) > before, "some are published")  # type: ignore[misc]
            send(system, traffic.more(700))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        system.worker("sessionizer,joiner")
        end(system)
        system.until(lambda: len(published(system)) >= len(traffic.decisions), "all windows are closed")

        outcomes = published(system)
        assert rows(outcomes) == expected(traffic, system)
        assert sum(one.clicks_by_request for one in outcomes.values()) > 50
        assert sum(one.clicks_by_item for one in outcomes.values()) > 20
        assert {one.shown_by for one in outcomes.values()} == {"impressions", "request", "nothing"}
        late = sum(
            system.metric("mos_feedback_records_total", outcome=f"late_{what}")
            for what in ("decisions", "impressions", "clicks")
        )
        assert late == 0
