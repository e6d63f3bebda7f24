"""The revision that routes a session is a function of event time and of what was published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.themes.router import Router
from mos_online.themes.timeline import InForce, RouterTimeline
from tests.themes.test_router_properties import ROUTER

NOTHING = np.zeros((0, 16), np.float32)


def revision(sequence: int) -> Router:
    return ROUTER.revised([], NOTHING, prototypes=ROUTER.prototypes, tau=0.3 - sequence / 1000, sequence=sequence)


MADE = {sequence: revision(sequence) for sequence in range(1, 9)}


class Loads:
    def __init__(self) -> None:
        self.loaded: list[int] = []

    def __call__(self, one: InForce) -> Router:
        self.loaded.append(one.sequence)
        return MADE[one.sequence]


def in_force(begins: list[int]) -> list[InForce]:
    return [
        InForce(sequence=number, version=MADE[number].version, effective_from=begin)
        for number, begin in enumerate(begins, 1)
    ]


@given(st.lists(st.integers(0, 20), max_size=8), st.integers(0, 8))
def test_the_highest_sequence_that_has_begun_routes(begins: list[int], first: int) -> None:
    revisions = in_force(begins)
    shuffled = sorted(revisions, key=lambda one: hash((one.effective_from, one.sequence)))
    timeline = RouterTimeline(ROUTER, shuffled[:first], Loads()).updated(shuffled)
    for time in range(-1, 22):
        begun = [one.sequence for one in revisions if one.effective_from <= time]
        expected = MADE[max(begun)] if begun else ROUTER
        assert timeline.at(time) is expected
    assert timeline.newest_from == max([one.effective_from for one in revisions[-1:]], default=0)
    assert timeline.epoch == ROUTER.version


def test_routers_are_loaded_once_while_event_time_moves_on() -> None:
    loads = Loads()
    timeline = RouterTimeline(ROUTER, in_force([10, 20, 30, 40, 50, 60, 70]), loads)
    for time in range(80):
        timeline.at(time)
    assert loads.loaded == [1, 2, 3, 4, 5, 6, 7]
    longer = timeline.updated(in_force([10, 20, 30, 40, 50, 60, 70, 80]))
    (missing,) = longer.missing([5, 65, 75, 85, 95])
    assert (missing.sequence, longer.load(missing)) == (8, MADE[8])
    assert longer.missing([65, 75, 85]) == []
    assert [longer.at(time) for time in (5, 65, 85)] == [ROUTER, MADE[6], MADE[8]]
    assert loads.loaded == [1, 2, 3, 4, 5, 6, 7, 8]


def test_few_routers_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mos_online.themes.timeline.HELD", 3)
    timeline = RouterTimeline(ROUTER, in_force([10, 20, 30, 40, 50]), Loads())
    for time in range(60):
        timeline.at(time)
    assert [one.sequence for one in timeline.missing(range(60))] == [1, 2]


def test_a_router_alone_is_in_force_for_ever() -> None:
    assert ROUTER.at(0) is ROUTER.at(2**50) is ROUTER
