"""The revision that routes a session is a function of event time and of what was published."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mos_online.themes.router import Router
from mos_online.themes.timeline import HELD, InForce, RouterTimeline
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
    assert (timeline.newest, timeline.epoch) == (len(begins), ROUTER.version)


def test_routers_are_loaded_once_while_event_time_moves_on() -> None:
    loads = Loads()
    timeline = RouterTimeline(ROUTER, in_force([10, 20, 30, 40, 50, 60]), loads)
    for time in range(0, 70):
        timeline.at(time)
    assert loads.loaded == [1, 2, 3, 4, 5, 6]
    timeline.at(65)
    assert timeline.updated(in_force([10, 20, 30, 40, 50, 60, 70]), MADE[7]).at(75) is MADE[7]
    assert loads.loaded == [1, 2, 3, 4, 5, 6]
    timeline.at(15)
    assert loads.loaded[6:] == [1]
    assert HELD < 6


def test_a_router_alone_is_in_force_for_ever() -> None:
    assert ROUTER.at(0) is ROUTER.at(2**50) is ROUTER
