"""A joiner that was paused publishes nothing that its successor contradicts, and its checkpoints do not count."""

from __future__ import annotations

import asyncio

import pytest

from mos_online.feedback.checkpoint import JoinerCheckpoint
from mos_online.settings import Settings
from streams.kafka.decoding import json_decoder
from streams.processors.joiner import processor as joiner_processor
from tests.feedback.feedback_log import click, decision
from tests.streams.joiner_logs import ACCEPTED, DECISIONS, LATENESS, NOW, WINDOW, Recovering
from tests.streams.joiner_runs import JoinerRun
from tests.streams.stream_doubles import eventually, quiet


@pytest.fixture
def run(rules: Settings, monkeypatch: pytest.MonkeyPatch) -> JoinerRun:
    return JoinerRun(rules, monkeypatch)


def ids(run: JoinerRun) -> list[str]:
    return [outcome.request_id for outcome in run.outcomes()]


def test_no_step_is_stored_while_the_partition_may_be_of_another_worker(run: JoinerRun) -> None:
    async def steps() -> None:
        processor = run.start()
        await run.assign()
        await run.take("r", minutes_ago=10)
        run.now = 11.0
        stepping = asyncio.create_task(run.step())
        await quiet()
        assert (run.parts(), run.outcomes()) == ([], [])
        run.lease.renew(sent_at=run.now)
        await stepping
        assert (len(run.parts()), ids(run)) == (1, ["r"])
        await run.take("s", minutes_ago=5)
        run.now = 30.0
        stepping = asyncio.create_task(run.step())
        await quiet()
        await processor.revoked()  # as it happens to one who was paused
        await stepping
        await processor.close()
        assert (len(run.parts()), ids(run)) == (1, ["r"])

    asyncio.run(steps())
    assert run.failures == []


@pytest.mark.parametrize("ours_after_all", [False, True])
def test_what_follows_from_a_step_waits_if_the_pause_was_while_it_was_stored(
    run: JoinerRun, *, ours_after_all: bool
) -> None:
    """A successor may have looked at the checkpoints before this one came."""
    flush = run.producer.flush

    async def pausing() -> None:
        await flush()
        if run.parts() and run.now == 0.0:
            run.now = 11.0

    run.producer.flush = pausing  # type: ignore[method-assign]

    async def steps() -> None:
        processor = run.start()
        await run.assign()
        await run.take("r", minutes_ago=10)
        stepping = asyncio.create_task(run.step())
        await eventually(run.parts, "the step is stored")
        await quiet()
        assert run.outcomes() == []
        if ours_after_all:
            run.lease.renew(sent_at=run.now)
        else:
            await processor.revoked()
        await stepping
        await processor.close()
        assert ids(run) == (["r"] if ours_after_all else [])

    asyncio.run(steps())
    assert run.failures == []


def test_what_follows_from_a_step_is_left_to_the_successor_if_a_rebalance_did_not_wait_for_it(
    run: JoinerRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joiner_processor, "LAST_STEP", 0.001)
    flush, delivered = run.producer.flush, asyncio.Event()

    async def slow() -> None:
        await flush()
        if run.parts():
            await delivered.wait()

    run.producer.flush = slow  # type: ignore[method-assign]

    async def steps() -> None:
        processor = run.start()
        await run.assign()
        await run.take("r", minutes_ago=10)
        stepping = asyncio.create_task(run.step())
        await eventually(run.parts, "the step is stored")
        await processor.revoked()
        delivered.set()
        await stepping
        await processor.close()

    asyncio.run(steps())
    assert (run.outcomes(), run.failures) == ([], [])


def test_a_successor_stores_what_it_begins_with_before_it_publishes_what_follows(run: JoinerRun) -> None:
    """Else a checkpoint of one between the two could count later, with other outcomes."""

    async def steps() -> None:
        processor = run.start()
        await run.assign()
        await run.take("r", minutes_ago=10)
        await run.step()
        (first,) = run.parts()
        run.now = 11.0
        processor.assigned({name: {0} for name in run.logs.records | {"impressions": [], ACCEPTED: []}})
        await quiet()
        assert ids(run) == ["r"], "nobody knows whether the partition is ours"
        run.lease.renew(sent_at=run.now)
        await eventually(lambda: processor.ready, "it is ready")
        await processor.close()
        again = run.parts()[-1]
        assert (again.content, again.term > first.term) == (first.content, True)
        assert ids(run) == ["r", "r"]
        assert len(set(map(repr, run.outcomes()))) == 1

    asyncio.run(steps())
    assert run.failures == []


def test_a_checkpoint_that_a_paused_joiner_adds_does_not_count(rules: Settings) -> None:
    recovering = Recovering(rules)
    recovering.logs.add(DECISIONS, decision("r", NOW))
    paused, _ = recovering.start()
    late = paused.plan(NOW + WINDOW + LATENESS + 1)  # for it the window closes without the click
    recovering.logs.add(ACCEPTED, click(0, NOW + 1, "a", "r"))
    owner, _ = recovering.start()
    recovering.store(owner.plan(NOW + WINDOW + LATENESS + 2))
    published = owner.advance()
    assert [item.clicks for item in published[0].items] == [1, 0]
    paused.checkpoints.store(late)

    assert recovering.start()[1] == published


def test_a_checkpoint_that_is_too_large_for_one_record_lies_in_several(rules: Settings) -> None:
    """A decision that is open for long has many steps behind it."""
    recovering = Recovering(rules)
    recovering.logs.add(DECISIONS, decision("r", NOW))
    partition, _ = recovering.start()
    recovering.logs.producer.limit = 400
    for step in range(50):
        recovering.store(partition.plan(NOW + step))
        assert partition.advance() == []
    assert len(recovering.logs.producer.published["joiner-checkpoints"]) > 200

    again, outcomes = recovering.start()
    assert outcomes == []
    assert again.checkpoint == partition.checkpoint
    assert len(again.checkpoint.steps) == 51
    assert json_decoder(JoinerCheckpoint)(again.plan(NOW + 10**6)).steps[:-1] == partition.checkpoint.steps
    (outcome,) = again.advance()
    assert outcome.request_id == "r"
