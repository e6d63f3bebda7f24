"""Three ranges of time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.protocol.split import Split, SplitConfig, split
from mos_online.errors import DatasetError


@st.composite
def logs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, events before and users, sorted by user and time."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    counts = rng.integers(1, 40, draw(st.integers(3, 30)))
    users = np.repeat(np.arange(len(counts)), counts)
    times = np.concatenate([np.sort(rng.integers(0, 5000, count)) for count in counts])
    return times, np.concatenate([np.arange(count) for count in counts]), users


@given(log=logs(), history=st.integers(0, 6), judged=st.integers(1, 60), seed=st.integers(0, 5))
def test_ranges_keep_to_their_time(
    log: tuple[np.ndarray, np.ndarray, np.ndarray], history: int, judged: int, seed: int
) -> None:
    times, before, users = log
    config = SplitConfig(examples=25, judged=judged, tested=judged, history=history)
    try:
        made = split(times, before, users, config, order=np.argsort(times, kind="stable"), seed=seed)
    except DatasetError:
        return
    first, middle, last = made.borders
    assert ((times[made.train] >= first) & (times[made.train] < middle)).all()
    assert ((times[made.validation] >= middle) & (times[made.validation] < last)).all()
    assert (times[made.test] >= last).all()
    eligible = before >= history
    assert eligible[made.validation].all()
    assert eligible[made.test].all()
    assert (before[made.train] >= 1).all()
    for requests in (made.train, made.validation, made.test):
        assert (np.diff(times[requests]) >= 0).all()
        assert len(np.unique(requests)) == len(requests)
    could = np.flatnonzero((before >= 1) & (times >= first) & (times < middle))
    assert len(made.train) == min(len(could), 25)
    left = np.setdiff1d(could, made.train)
    assert not len(left) or times[left].max() <= times[made.train].min()
    for requests, begin, end in ((made.validation, middle, last), (made.test, last, np.inf)):
        whole = np.flatnonzero(eligible & (times >= begin) & (times < end) & np.isin(users, users[requests]))
        assert set(whole) == set(requests)
        assert len(requests) <= judged or len(np.unique(users[requests])) == 1


def test_other_seeds_choose_other_users() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(50), 40)
    times = np.concatenate([np.sort(rng.integers(0, 5000, 40)) for _ in range(50)])
    before = np.tile(np.arange(40), 50)
    config = SplitConfig(judged=30, tested=30)
    order = np.argsort(times, kind="stable")
    chosen = [split(times, before, users, config, order=order, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(chosen[0].test, chosen[1].test)
    assert set(users[chosen[0].test]) != set(users[chosen[2].test])
    assert np.array_equal(chosen[0].train, chosen[2].train)


@pytest.mark.parametrize("cuts", [(0.8, 0.5, 0.9), (0.0, 0.5, 0.9), (0.5, 0.8, 1.0), (0.5, 0.8, 0.8)])
def test_cuts_must_ascend(cuts: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError, match="must ascend"):
        SplitConfig(router=cuts[0], train=cuts[1], validation=cuts[2])


def test_a_log_without_enough_history_is_refused() -> None:
    times, users = np.arange(100), np.arange(100)
    with pytest.raises(DatasetError, match="too short"):
        split(times, np.zeros(100, np.int64), users, SplitConfig(), order=times)


@pytest.mark.parametrize("requests", ["train", "validation", "test"])
def test_a_position_outside_its_range_is_noticed(requests: str) -> None:
    good = {"train": [5], "validation": [6], "test": [8]}
    strayed = good | {requests: {"train": [6], "validation": [8], "test": [7]}[requests]}
    for positions, fine in ((good, True), (strayed, False)):
        made = Split(borders=(5, 6, 8), **{name: np.array(at) for name, at in positions.items()})
        if fine:
            made.check(np.arange(10))
        else:
            with pytest.raises(DatasetError, match="leave their range"):
                made.check(np.arange(10))
