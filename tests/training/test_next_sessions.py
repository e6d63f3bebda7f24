"""Lists for the next session are learned from what was known when the last one had closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import EventTypes
from mos_online.items.popularity import ItemPopularity
from mos_online.items.snapshot import LISTED_ITEMS
from mos_online.model import MoS
from mos_online.model.mixing import BY_PLACE, SOURCES, Calibration, Mixing, MixingAhead
from mos_online.model.realtime import realtime_of
from mos_online.model.repeats import age_bucket
from mos_online.sessions import SessionConfig
from mos_online.training.catalogue import Catalogue
from mos_online.training.click_log import ClickLog
from mos_online.training.examples import ExampleLog
from mos_online.training.mixing import learn_mixing
from mos_online.training.mixing_ahead import FEWEST, learn_mixing_ahead, measure_ahead
from mos_online.training.moments import moments, now_and_later
from mos_online.training.next_sessions import next_sessions
from mos_online.training.past_neighbours import CoClickRules, with_neighbours
from mos_online.training.sequence_log import SequenceLog

GAP = 100
RULES = SessionConfig(gap=GAP, max_events=4, max_duration=250, min_timestamp=0)
BY_PUBLISHER = SessionConfig(gap=GAP, publisher_ids=True, min_timestamp=0)
HALF_LIFE = 1000.0
COLUMNS = ["user_id", "item_id", "event_id", "timestamp", "event_type", "session_id"]
NO_ITEMS = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String, "category": pl.String})


def cut(rows: list[tuple[str, str, int, str | None]], rules: SessionConfig) -> ClickLog:
    """A log of users, items, times and the publisher's sessions."""
    made = [(user, item, f"e{n:03}", time, "click", session) for n, (user, item, time, session) in enumerate(rows)]
    frame = pl.DataFrame(made, orient="row", schema=dict.fromkeys(COLUMNS, pl.String) | {"timestamp": pl.Int64})
    return ClickLog.cut(frame, NO_ITEMS, rules)


@st.composite
def logs(draw: st.DrawFn) -> ClickLog:
    """Steps up to beyond a gap; cut by silence, or by the publisher, whose sessions may overlap."""
    step = st.integers(0, 60) | st.integers(GAP - 1, 3 * GAP)
    steps = draw(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd"), step), min_size=2, max_size=40))
    named = draw(st.booleans())
    rows, now = [], 0
    for user, item, after in steps:
        now += after
        rows.append((user, item, now, draw(st.sampled_from("xyz")) if named else None))
    return cut(rows, BY_PUBLISHER if named else RULES)


@given(log=logs(), data=st.data())
@settings(deadline=None)
def test_they_are_first_clicks_after_a_silence_with_the_same_time_for_all(log: ClickLog, data: st.DataObject) -> None:
    last = int(log.times.max())
    begin = data.draw(st.integers(0, last))
    end = data.draw(st.integers(begin, last + 1))
    expected = set()
    for position, before in enumerate(log.history.tolist()):
        new = position == int(np.flatnonzero(log.sessions == log.sessions[position])[0])
        closed = int(log.times[position - 1]) + GAP
        half = (end - begin) // 2
        if before and new and begin <= closed < begin + half and closed < log.times[position] < closed + half:
            expected.add((position, closed))
    found = next_sessions(log, gap_ms=GAP, begin=begin, end=end)
    assert set(zip(found.positions.tolist(), found.asked.tolist(), strict=True)) == expected
    assert len(found.positions) == len(expected)
    assert (np.diff(found.asked) >= 0).all()


@given(log=logs(), size=st.integers(1, 4))
@settings(deadline=None)
def test_a_list_knows_what_was_clicked_before_it_was_asked_for(log: ClickLog, size: int) -> None:
    catalogue = Catalogue.of_log(log)
    found = next_sessions(log, gap_ms=GAP, begin=0, end=3 * int(log.times.max()) + 1)
    walk = moments(log, catalogue, found.positions, size=size, half_life_ms=HALF_LIFE, asked=found.asked)
    rules = CoClickRules(half_life_ms=HALF_LIFE, window_ms=GAP)
    made = list(with_neighbours(walk, log, catalogue, rules))
    assert [p for one in made for p in one.positions.tolist()] == found.positions.tolist()
    rows = torch.arange(len(catalogue.items) + 1)
    for one in made:
        assert one.asked is not None
        assert one.neighbours is not None
        clicks = [click for click in log.clicks if click.timestamp < one.asked[0]]
        counts = ItemPopularity(gap_ms=GAP, half_life_ms=HALF_LIFE, partition=-1)
        for click in clicks:
            counts.observe(click, EventTypes.parse())
        expected = realtime_of(counts.snapshot(top=LISTED_ITEMS), catalogue.rows)
        known = torch.ones(len(rows))
        torch.testing.assert_close(one.popular.features(rows, known), expected.features(rows, known))
        assert set(catalogue.items[: one.seen]) == {click.item_id for click in clicks}


def test_histories_are_as_old_as_they_will_be_after_the_delay() -> None:
    log = cut([("u", "a", 0, None), ("u", "b", 40, None), ("u", "c", 1000, None)], RULES)
    catalogue = Catalogue.of_log(log)
    sequences = SequenceLog(log.events, catalogue, np.ones(3, np.int64), 1)
    found = next_sessions(log, gap_ms=GAP, begin=0, end=2000)
    assert (found.positions.tolist(), found.asked.tolist()) == ([2], [140])
    made = list(moments(log, catalogue, found.positions, size=1, half_life_ms=HALF_LIFE, asked=found.asked))
    config = MoS(backbone="pooling", items=3, themes=1, width=4).config
    data = ExampleLog(moments=made, log=sequences, config=config)
    for delay in (0, 500):
        batch = replace(data, delay_ms=delay).of([0]).batch
        assert batch.items.tolist() == [[1, 2]]
        expected = torch.tensor([[(140 + delay) / 1000, (100 + delay) / 1000]])
        torch.testing.assert_close(batch.ages, expected)
        torch.testing.assert_close(batch.ring_ages, expected)


Way = Literal["goes on", "hops", "comes back", "wanders", "clicks anything"]


def two_sessions(next_one: Way, *, later: Way | None = None) -> tuple[MoS, ExampleLog, ExampleLog]:
    """Users who walk along a ring of items in a session.

    The next one begins with the next item, with item 0, where the last one began, or with any item that they had not;
    of the later half of the users otherwise. Or they click anything all the time.
    """
    items, users = 30, 2 * FEWEST
    random = np.random.default_rng(0)
    rows = []
    for user in range(users):
        begin = int(random.integers(items))
        for step in range(6):
            ways = {"hops": 0, "comes back": begin, "wanders": begin + int(random.integers(3, items))}
            way = next_one if later is None or user < users // 2 else later
            goes_to = ways.get(way, begin + step) if step == 3 else begin + step
            goes_to = int(random.integers(items)) if next_one == "clicks anything" else goes_to
            rows.append((f"u{user}", f"i{goes_to % items}", 50 * user + 10 * step + (20_000 if step > 2 else 0), None))
    log = cut(sorted(rows, key=lambda row: row[2]), SessionConfig(gap=GAP, min_timestamp=0))
    catalogue = Catalogue.of_log(log)
    torch.manual_seed(0)
    model = MoS(backbone="pooling", items=len(catalogue.items), themes=1, width=8).eval()
    model.item_known.fill_(1)
    sequences = SequenceLog(log.events, catalogue, np.zeros(len(log.events), np.int64), 1)
    rules = CoClickRules(half_life_ms=1e9, window_ms=GAP)
    found = next_sessions(log, gap_ms=GAP, begin=0, end=10**9)

    def logged(positions: np.ndarray, asked: np.ndarray | None = None) -> ExampleLog:
        walk = moments(log, catalogue, positions, size=8, half_life_ms=1e9, asked=asked)
        made = list(with_neighbours(walk, log, catalogue, rules))
        return ExampleLog(moments=made, log=sequences, config=model.config)

    inside = log.order[np.isin(log.history[log.order], (1, 2))]
    return model, logged(inside), logged(found.positions, found.asked)


def test_where_users_hop_the_next_session_has_weights_of_its_own() -> None:
    model, now, ahead = two_sessions("hops")
    learn_mixing(model, now)
    learn_mixing_ahead(model, ahead)
    assert model.ahead.learned
    constants = model.ahead.weights[:, 0] - model.mixing.weights[:, 0]
    assert model.ahead.weights.shape == (SOURCES, model.mixing.weights.shape[1])
    assert constants.abs().max() > 0.1


def test_where_nothing_is_better_the_lists_are_those_for_now() -> None:
    model, now, ahead = two_sessions("goes on")
    learn_mixing(model, now)
    weights = model.mixing.weights.clone()
    few = replace(ahead, moments=ahead.moments[: FEWEST // 8 - 1])
    for data in (few, replace(ahead, moments=[])):
        learn_mixing_ahead(model, data)
        assert torch.equal(model.ahead.weights, weights)
        assert model.ahead.again.item() == model.mixing.again.item()
        assert model.ahead.delay_ms == 0


def model_only(model: MoS) -> None:
    """Nothing counts beside the model."""
    weights = torch.zeros_like(model.mixing.weights)
    weights[:, 0] = -1e4
    model.mixing.set_weights(weights)


@pytest.mark.parametrize(("next_one", "last"), [("comes back", False), ("wanders", True)])
def test_what_a_user_had_comes_last_unless_users_come_back_to_it(
    next_one: Literal["wanders", "comes back"], last: bool
) -> None:
    model, _, ahead = two_sessions(next_one)
    torch.nn.init.constant_(model.repeat.weight, 0.5)  # the model insists that they come back,
    model_only(model)  # and nothing else has a say
    learn_mixing_ahead(model, ahead)
    assert bool(model.ahead.leaves_out) == last
    reached = measure_ahead(model, ahead, torch.zeros(len(model.item_theme))).ndcg
    model.ahead.leaves_out.fill_(float(not last))
    assert measure_ahead(model, ahead, torch.zeros(len(model.item_theme))).ndcg < reached


def test_where_the_next_session_is_like_this_one_the_lists_are_those_for_now() -> None:
    """Clicks inside sessions, a millisecond ahead."""
    model, now, _ = two_sessions("clicks anything")
    learn_mixing(model, now)
    times = now.log.times
    ahead = replace(now, moments=[replace(one, asked=times[one.positions] - 1) for one in now.moments])
    assert ahead.count >= FEWEST
    learn_mixing_ahead(model, ahead)
    assert torch.equal(model.ahead.weights, model.mixing.weights)
    assert (model.ahead.delay_ms, model.ahead.leaves_out.item()) == (0, 0)


def test_what_the_older_half_teaches_is_not_used_where_the_newer_half_says_otherwise() -> None:
    model, now, ahead = two_sessions("hops", later="goes on")
    learn_mixing(model, now)
    learn_mixing_ahead(model, ahead)
    assert torch.equal(model.ahead.weights, model.mixing.weights)


@pytest.mark.parametrize(("next_one", "waits"), [("comes back", True), ("wanders", False)])
def test_users_are_read_as_they_will_be_where_that_says_more(
    next_one: Literal["wanders", "comes back"], waits: bool
) -> None:
    """The model knows that users come back to an item after twenty seconds, and not at once."""
    model, _, ahead = two_sessions(next_one)
    model_only(model)
    torch.nn.init.constant_(model.repeat.weight, -0.5)
    with torch.no_grad():
        model.repeat.weight[age_bucket(torch.tensor(20.0))] = 0.5
    learn_mixing_ahead(model, ahead)
    asked = np.concatenate([one.asked for one in ahead.moments if one.asked is not None])
    clicked = np.concatenate([ahead.log.times[one.positions] for one in ahead.moments])
    assert model.ahead.delay_ms == (int(np.median(clicked - asked)) if waits else 0)
    assert 15_000 < np.median(clicked - asked) < 25_000


def test_other_weights_for_now_move_those_for_later() -> None:
    one, begun, now = MixingAhead(GAP), Mixing(GAP), Mixing(GAP)
    shape = begun.weights.shape
    begun.set_weights(torch.full(shape, 1.0), 0.5)
    now.set_weights(torch.full(shape, 3.0), 0.25, Calibration(0.5, BY_PLACE))
    assert torch.equal(one.move(begun, now).weights, now.weights), "it has learned nothing of its own"
    one.set_weights(torch.full(shape, -1.0), 2.0)
    one.delay.fill_(9)
    one.leaves_out.fill_(1)
    one.move(begun, now)
    assert torch.equal(one.weights, torch.full(shape, 1.0))
    assert one.calibration == Calibration(0.5, BY_PLACE)
    assert (one.again.item(), one.delay_ms, one.leaves_out.item()) == (1.75, 9, 1)


def test_without_weights_for_now_there_are_none_for_later() -> None:
    model, _, ahead = two_sessions("hops")
    learn_mixing_ahead(model, ahead)
    assert not model.ahead.learned


@pytest.mark.parametrize("empty", [True, False])
def test_moments_are_divided_by_when_they_are_asked_for(empty: bool) -> None:
    log = cut([("u", "a", 0, None), ("u", "b", 1000, None)], RULES)
    catalogue = Catalogue.of_log(log)
    found = next_sessions(log, gap_ms=GAP, begin=0, end=10 if empty else 2000)
    later = moments(log, catalogue, found.positions, size=4, half_life_ms=HALF_LIFE, asked=found.asked)
    now = moments(log, catalogue, log.order, size=4, half_life_ms=HALF_LIFE)
    parts = now_and_later([*now, *later])
    assert [len(part) for part in parts] == [1, 0 if empty else 1]
