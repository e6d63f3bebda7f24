"""Where the joiner of a partition goes on after a restart."""

from __future__ import annotations

import pytest

from mos_online.errors import BrokerError
from mos_online.settings import Settings
from tests.feedback.feedback_log import click, decision, impression
from tests.streams.joiner_logs import (
    ACCEPTED,
    DECISIONS,
    IMPRESSIONS,
    LATENESS,
    NOW,
    WINDOW,
    Recovering,
)


@pytest.fixture
def recovering(rules: Settings) -> Recovering:
    """Two decisions with a click each; the first one has closed, and the last step may not have been published."""
    made = Recovering(rules)
    for offset, (name, at) in enumerate((("r", NOW), ("s", NOW + 50_000))):
        made.logs.add(DECISIONS, decision(name, at))
        made.logs.add(ACCEPTED, click(offset, at + 1, "a", name))
    partition, outcomes = made.start()
    assert outcomes == []
    made.store(partition.plan(NOW + WINDOW + LATENESS + 1))
    assert [outcome.request_id for outcome in partition.advance()] == ["r"]
    return made


def test_a_restart_gives_the_outcomes_of_the_last_step_again_and_goes_on(recovering: Recovering) -> None:
    recovering.logs.add(IMPRESSIONS, impression("t", "s", NOW + WINDOW + LATENESS + 1, "b"))
    partition, outcomes = recovering.start()

    assert [outcome.request_id for outcome in outcomes] == ["r"]
    assert [item.clicks for item in outcomes[0].items] == [1, 0]
    assert partition.joiner.counts == {}
    assert partition.next_offsets == {DECISIONS: 2, IMPRESSIONS: 1, ACCEPTED: 2}
    partition.plan(NOW + 10**6)
    (outcome,) = partition.advance()
    assert ([item.clicks for item in outcome.items], outcome.shown_by) == ([1, 0], "impressions")


@pytest.mark.parametrize("name", [DECISIONS, ACCEPTED])
def test_records_that_are_needed_and_gone_are_an_error_unless_the_loss_is_accepted(
    recovering: Recovering, name: str
) -> None:
    recovering.logs.low[name] = 1
    with pytest.raises(BrokerError, match=f"{name}.* begins at offset 1, but 0 is needed"):
        recovering.start()
    partition, outcomes = recovering.start(accept_loss=True)
    assert (outcomes, partition.joiner.open) == ([], 0)
    recovering.logs.add(DECISIONS, decision("late", NOW))
    assert recovering.start(accept_loss=True)[0].joiner.counts == {"late_decisions": 1}


def test_a_log_that_is_shorter_than_before_is_noticed(recovering: Recovering) -> None:
    recovering.logs.records[DECISIONS].pop()
    with pytest.raises(BrokerError, match="was read up to offset 2, but goes on with 1"):
        recovering.start()


@pytest.mark.parametrize("stored", [b"{", b'{"steps":[]}', b'{"steps":[[1]]}'])
def test_a_checkpoint_that_cannot_be_read_is_an_error_unless_the_loss_is_accepted(
    recovering: Recovering, stored: bytes
) -> None:
    recovering.store(stored)
    with pytest.raises(BrokerError, match=r"the last checkpoint in joiner-checkpoints\[0\] cannot be read"):
        recovering.start()
    assert recovering.start(accept_loss=True)[0].joiner.open == 1
