"""How the joiner lets event time go on, and what it stores before it publishes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import AcceptedClicks
from mos_online.errors import BrokerError, BrokerUnavailableError
from mos_online.feedback.checkpoint import JoinerCheckpoint
from mos_online.settings import Settings
from streams.processors.joiner.ends import ends
from streams.processors.joiner.partition import INPUTS, JoinerPartition
from tests.feedback.feedback_log import click, decision
from tests.streams.joiner_logs import (
    ACCEPTED,
    DECISIONS,
    IMPRESSIONS,
    LATENESS,
    NOW,
    WINDOW,
    Logs,
    partition_of,
    record,
)
from tests.streams.joiner_runs import JoinerRun
from tests.streams.stream_doubles import Producer, eventually


def test_an_input_that_lags_holds_the_others_back_and_an_idle_one_does_not(rules: Settings) -> None:
    later = NOW + WINDOW + LATENESS + 1
    begun = record(DECISIONS, 0, decision("r", NOW))
    newer = record(DECISIONS, 1, decision("s", later + LATENESS), later + LATENESS)
    partition = partition_of(rules, begun, newer)

    assert partition.watermark([], later) is None, "nothing is known of impressions and clicks"
    assert partition.watermark([IMPRESSIONS], later) is None
    assert partition.watermark([IMPRESSIONS, ACCEPTED], later) == later
    partition.take(
        ACCEPTED, record(ACCEPTED, 0, click(0, NOW, "a")), AcceptedClicks.of("log", [click(0, NOW, "a")]), now=NOW
    )
    assert partition.watermark([IMPRESSIONS], later) is None


def test_the_wall_clock_closes_windows_of_live_data_only(rules: Settings) -> None:
    live = partition_of(rules, record(DECISIONS, 0, decision("r", NOW)))
    old = partition_of(rules, record(DECISIONS, 0, decision("r", NOW - 7_200_000)))
    closable = NOW + WINDOW + 2 * LATENESS + 5_001

    assert live.watermark(INPUTS, closable - 1) is None
    assert live.watermark(INPUTS, closable) == NOW + WINDOW + LATENESS + 1
    assert old.watermark(INPUTS, closable + 10**9) is None


def test_a_record_that_was_taken_before_is_passed_over(rules: Settings) -> None:
    again = record(DECISIONS, 0, decision("r", NOW))
    partition = partition_of(rules, again, again)
    assert partition.joiner.counts == {}
    assert partition.next_offsets[DECISIONS] == 1


@pytest.mark.parametrize(("committed", "ended"), [(0, False), (1, False), (2, True)])
def test_accepted_clicks_have_not_ended_while_the_sessionizer_is_behind(
    rules: Settings, committed: int, ended: bool
) -> None:
    logs, partition = Logs(), JoinerPartition(rules, Producer(), 0)  # type: ignore[arg-type]
    logs.records[contracts.CLICKS] = [None, None]
    logs.committed_to = committed
    assert ends(logs, rules, ACCEPTED, partition) == ended  # type: ignore[arg-type]
    assert ends(logs, rules, DECISIONS, partition)  # type: ignore[arg-type]
    logs.add(DECISIONS, decision("r", NOW))
    assert not ends(logs, rules, DECISIONS, partition)  # type: ignore[arg-type]


def test_an_input_of_which_nobody_knows_the_end_has_not_ended(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> tuple[int, int]:
        raise BrokerUnavailableError("of a test")

    monkeypatch.setattr(Logs, "bounds", away)
    assert not ends(Logs(), rules, DECISIONS, JoinerPartition(rules, Producer(), 0))  # type: ignore[arg-type]


def test_a_step_is_stored_before_its_outcomes_are_published(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = JoinerRun(rules, monkeypatch)

    async def steps() -> None:
        processor = run.start()
        await run.assign()
        await run.take("r", minutes_ago=10)
        run.producer.broken = True
        await run.step()
        assert contracts.OUTCOMES not in run.producer.published
        assert isinstance(run.failures.pop(), BrokerError)
        run.producer.broken, processor._failed = False, False
        await run.step()
        await processor.close()

    asyncio.run(steps())
    assert run.failures == []
    assert list(run.producer.published) == [contracts.JOINER_CHECKPOINTS, contracts.OUTCOMES]
    ((key, _, number, _),) = run.producer.published[contracts.OUTCOMES]
    assert (key, number) == (b"u", 0)
    assert [outcome.request_id for outcome in run.outcomes()] == ["r"]
    assert msgspec.json.decode(run.parts()[-1].content, type=JoinerCheckpoint).steps[-1].taken.decisions == 1


def test_only_partitions_whose_inputs_are_all_ours_are_taken(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = JoinerRun(rules, monkeypatch)

    async def takes() -> None:
        processor = run.start()
        processor.assigned({DECISIONS: {0, 1, 2}, IMPRESSIONS: {0, 2}, ACCEPTED: {0, 1}})
        assert set(processor._partitions) == {0}
        await eventually(lambda: processor.ready, "it is ready")
        await processor.close()

    asyncio.run(takes())
    assert run.failures == []


def test_clicks_that_no_sessionizer_has_accepted_hide_no_others(
    rules: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged position would make all later clicks repeats."""
    run = JoinerRun(rules, monkeypatch)
    run.logs.records[contracts.CLICKS] = [None]

    async def takes() -> None:
        processor = run.start()
        await run.assign()
        await processor.work([record(ACCEPTED, n, click(at, NOW, "a")) for n, at in enumerate((10**9, 5, 5))])
        assert processor._partitions[0].joiner.counts == {"duplicate_clicks": 1}
        await processor.close()

    asyncio.run(takes())
    assert run.failures == []
    assert [letter.reason for letter in run.producer.letters()] == ["unknown_position"]
