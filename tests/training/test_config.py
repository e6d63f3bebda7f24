"""How many events are predicted and held out, from the time there is."""

from __future__ import annotations

import pytest

from mos_online.training import TrainConfig


@pytest.mark.parametrize(("minutes", "asked", "wanted"), [(2.0, None, 120_000), (0.5, None, 30_000), (2.0, 700, 700)])
def test_more_time_learns_from_more_events_unless_a_number_is_given(
    minutes: float, asked: int | None, wanted: int
) -> None:
    assert TrainConfig(minutes=minutes, examples=asked).most_examples == wanted


def test_a_tenth_is_held_out_but_no_fewer_than_twenty() -> None:
    config = TrainConfig()
    assert [config.held_out(examples) for examples in (100, 5_000, 1_000_000)] == [20, 500, 100_000]


def test_the_time_holds_the_trial_that_is_given_up_and_going_on_too() -> None:
    budget = TrainConfig(minutes=2.0).budget
    assert budget.seconds / 2 + budget.seconds + budget.seconds / 2 == pytest.approx(120.0)
