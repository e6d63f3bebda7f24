"""The slices, against a plain walk through each user's past."""

from __future__ import annotations

import itertools
import math

import numpy as np

from evaluation.protocol.data import ExperimentData
from evaluation.results.slices import INSIDE, NEW, RETURNING, SAME
from evaluation.static.facts import facts


def slowly(experiment: ExperimentData, at: int) -> tuple[int, float, int]:
    """History, hop rate and kind of a position."""
    log, routing = experiment.log, experiment.routing
    start = next(row for row in range(at + 1) if log.users[row] == log.users[at])
    past: dict[int, int] = {}
    for row in range(start, at):
        if log.sessions[row] != log.sessions[at]:
            past[int(log.sessions[row])] = int(routing.event_theme[row])
    themes = [theme for _, theme in sorted(past.items()) if theme > 0]
    hops = [a != b for a, b in itertools.pairwise(themes)]
    rate = sum(hops) / len(hops) if hops else math.nan
    target = int(routing.item_theme[experiment.item_rows[at]])
    if at > start and log.sessions[at - 1] == log.sessions[at]:
        return at - start, rate, INSIDE
    if themes and target == themes[-1]:
        return at - start, rate, SAME
    return at - start, rate, RETURNING if target > 0 and target in themes else NEW


def test_facts_are_what_a_plain_walk_says(experiment: ExperimentData) -> None:
    positions = np.concatenate([requests.positions for requests in experiment.test])
    found = facts(experiment, positions)
    expected = [slowly(experiment, at) for at in positions.tolist()]
    assert found["history"].tolist() == [history for history, _, _ in expected]
    assert np.allclose(found["hop_rate"], [rate for _, rate, _ in expected], equal_nan=True)
    assert found["kind"].tolist() == [kind for _, _, kind in expected]
    assert set(found["kind"].tolist()) == {INSIDE, SAME, RETURNING, NEW}
    seen = set(experiment.past(1)["item_id"])
    targets = [experiment.catalogue.items[row - 1] for row in experiment.item_rows[positions]]
    assert found["cold"].tolist() == [item not in seen for item in targets]
    assert found["user"].tolist() == experiment.log.users[positions].tolist()
    assert found["time"].tolist() == experiment.log.times[positions].tolist()
