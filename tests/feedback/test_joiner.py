"""What the joiner says of single cases, by hand, and of random ones by the offline oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mos_online.contracts import AcceptedClick, AcceptedClicks, Assignment, Decision, Exploration, Impression, Outcome
from mos_online.feedback.joiner import Joiner
from mos_online.feedback.oracle import offline_outcomes
from mos_online.feedback.rules import JoinRules
from tests.feedback.feedback_log import END, RULES, START, Event, Log, click, decision, give, impression, logs, rows

FAR = END + 10_000


def joined(*events: Event, rules: JoinRules = RULES) -> tuple[list[Outcome], Joiner]:
    joiner = Joiner(rules)
    for offset, event in enumerate(events):
        give(joiner, event, offset)
    return joiner.advance(FAR), joiner


def clicks_of(outcome: Outcome) -> dict[str, int]:
    return {item.item_id: item.clicks for item in outcome.items if item.clicks}


def positions(outcome: Outcome) -> dict[str, int]:
    return {item.item_id: item.position for item in outcome.items if item.position is not None}


def test_the_answer_to_a_request_is_shown_and_a_click_on_it_counts() -> None:
    (outcome,), joiner = joined(decision("r", 1000), click(0, 1007, "b"))

    assert (outcome.shown_by, positions(outcome)) == ("request", {"a": 0, "b": 1})
    assert outcome.items[1].first_click_after == 7
    assert (outcome.clicks_by_request, outcome.clicks_by_item, outcome.window_end) == (0, 1, 1100)
    assert joiner.counts == {"clicks_by_item": 1}


@pytest.mark.parametrize("trigger", ["session_closed", "test"])
def test_an_answer_that_nobody_has_asked_for_is_not_shown(trigger: str) -> None:
    (outcome,), joiner = joined(decision("r", 1000, trigger=trigger), click(0, 1007, "b"))

    assert (outcome.shown_by, positions(outcome), clicks_of(outcome)) == ("nothing", {}, {})
    assert joiner.counts == {"unattributed_clicks": 1}


def test_an_impression_shows_a_pushed_list() -> None:
    shown = impression("s", "r", 1005, "ba", first=3)
    (outcome,), _ = joined(decision("r", 1000, trigger="session_closed"), shown, click(0, 1007, "b"))

    assert (outcome.shown_by, positions(outcome), clicks_of(outcome)) == ("impressions", {"b": 3, "a": 4}, {"b": 1})


def test_impressions_win_over_what_a_request_would_show() -> None:
    (outcome,), joiner = joined(decision("r", 1000), impression("s", "r", 1005, "bx"), click(0, 1007, "a"))

    assert (outcome.shown_by, positions(outcome), clicks_of(outcome)) == ("impressions", {"b": 0}, {})
    assert joiner.counts == {"unattributed_clicks": 1}


def test_a_click_counts_for_the_decision_that_it_names_and_not_for_a_newer_one() -> None:
    events = (decision("old", 1000), decision("new", 1010), click(0, 1020, "a", "old"), click(1, 1020, "a"))
    (old, new), joiner = joined(*events)

    assert (old.request_id, clicks_of(old), old.clicks_by_request) == ("old", {"a": 1}, 1)
    assert (new.request_id, clicks_of(new), new.clicks_by_item) == ("new", {"a": 1}, 1)
    assert joiner.counts == {"clicks_by_request": 1, "clicks_by_item": 1}


def test_a_click_on_an_item_that_the_named_decision_has_not_counts_by_its_item() -> None:
    (named, other), _ = joined(decision("r", 1000, items="a"), decision("s", 1001, items="b"), click(0, 1020, "b", "r"))

    assert (clicks_of(named), clicks_of(other)) == ({}, {"b": 1})


def test_an_outcome_has_what_the_decision_says_of_its_scores() -> None:
    made = decision("d", 1000)
    made = replace(made, items=[replace(made.items[0], p_click=0.25), made.items[1]], score_level=7.5, fast_version="f")
    arms = [Assignment("routing", 3, "online", 0.5, "rolled_back"), Assignment("models", 1, "b", 0.25)]
    made = replace(
        made, latency_ms=12.5, assignments=arms, exploration=Exploration(epsilon=0.1, slot=1, pool=["a", "b", "c"])
    )
    (found,), _ = joined(made)

    assert (found.score_level, found.fast_version, found.latency_ms) == (7.5, "f", 12.5)
    assert (found.assignments, found.exploration) == (arms, made.exploration)
    assert [item.p_click for item in found.items] == [0.25, None]


def test_what_names_no_open_decision_is_an_orphan_and_counts_for_nothing() -> None:
    events = (decision("r", 1000), click(0, 1020, "a", "?"), click(1, 1100, "a", "r"), impression("s", "?", 1001, "a"))
    (outcome,), joiner = joined(*events, impression("t", "r", 1100, "a"))

    assert (clicks_of(outcome), outcome.shown_by) == ({}, "request")
    assert joiner.counts == {"orphan_clicks": 2, "orphan_impressions": 2}


@pytest.mark.parametrize(("timestamp", "counts"), [(979, False), (980, True), (1099, True), (1100, False)])
def test_the_window_of_what_names_a_decision(timestamp: int, counts: bool) -> None:
    """It may seem a little older than the decision: two clocks."""
    (outcome,), _ = joined(decision("r", 1000), click(0, timestamp, "a", "r"))
    assert bool(clicks_of(outcome)) == counts


@pytest.mark.parametrize(("timestamp", "counts"), [(999, False), (1000, True), (1099, True), (1100, False)])
def test_the_window_of_a_click_that_names_none(timestamp: int, counts: bool) -> None:
    (outcome,), _ = joined(decision("r", 1000), click(0, timestamp, "a"))
    assert bool(clicks_of(outcome)) == counts


def test_a_click_may_come_before_its_decision_and_a_repeat_counts_once() -> None:
    asked = decision("r", 1000)
    (outcome,), joiner = joined(click(0, 990, "a", "r"), asked, click(0, 990, "a", "r"), decision("r", 1050), asked)

    assert (clicks_of(outcome), outcome.items[0].first_click_after) == ({"a": 1}, -10)
    assert joiner.counts == {"clicks_by_request": 1, "duplicate_clicks": 1, "duplicate_decisions": 2}


def test_what_is_older_than_the_watermark_is_late_and_changes_nothing() -> None:
    joiner = Joiner(RULES)
    joiner.advance(1000)
    late: list[Event] = [decision("r", 999), impression("s", "r", 999, "a"), click(0, 999, "a", "r")]
    for offset, event in enumerate(late):
        give(joiner, event, offset)

    assert joiner.advance(FAR) == []
    assert joiner.counts == {"late_decisions": 1, "late_impressions": 1, "late_clicks": 1}


def test_ids_of_other_users_are_other_ids() -> None:
    (mine, theirs), _ = joined(decision("r", 1000), decision("r", 1001, user="v"), click(0, 1002, "a", "r", user="v"))
    assert (clicks_of(mine), clicks_of(theirs)) == ({}, {"a": 1})


def test_a_decision_closes_when_nothing_can_count_for_it_any_more() -> None:
    joiner = Joiner(RULES)
    give(joiner, decision("r", 1000), 0)

    assert not joiner.due(1120)
    assert joiner.advance(1120) == []
    assert joiner.due(1121)
    assert [outcome.request_id for outcome in joiner.advance(1121)] == ["r"]
    assert joiner.open == 0


def test_another_log_of_clicks_has_other_positions() -> None:
    joiner = Joiner(RULES)
    give(joiner, decision("r", 1000), 0)
    for offset, log in enumerate(("log", "log", "new")):
        joiner.take_clicks(AcceptedClicks.of(log, [click(5, 1001, "a")]), offset)
    (outcome,) = joiner.advance(FAR)
    assert clicks_of(outcome) == {"a": 2}


def oracle_rows(log: Log) -> list[tuple[object, ...]]:
    of = {kind: [one for one in log.events if isinstance(one, kind)] for kind in (Decision, Impression, AcceptedClick)}
    frame = offline_outcomes(of[Decision], of[Impression], of[AcceptedClick], RULES)  # type: ignore[arg-type]
    return frame.drop("by_request").rows()


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(logs(), st.data())
def test_the_outcomes_are_those_of_the_oracle_however_event_time_goes_on(log: Log, data: st.DataObject) -> None:
    """Within the lateness nothing is late, whatever the order, and steps may be of any size."""
    joiner, outcomes, newest = Joiner(RULES), [], -1
    for offset, event in enumerate(log.events):
        give(joiner, event, offset)
        newest = max(newest, event.timestamp)
        if data.draw(st.booleans()):
            outcomes += joiner.advance(newest - data.draw(st.integers(RULES.lateness, 200)))
    outcomes += joiner.advance(FAR)

    assert rows(outcomes) == oracle_rows(log)
    assert len({(one.user_id, one.request_id) for one in outcomes}) == len(outcomes)
    late = {name: count for name, count in joiner.counts.items() if name.startswith("late")}
    assert late == {}
    clicks = {event.position for event in log.events if isinstance(event, AcceptedClick)}
    fates = ("clicks_by_request", "clicks_by_item", "unattributed_clicks", "orphan_clicks")
    assert sum(joiner.counts[fate] for fate in fates) == len(clicks)


def test_the_clicks_that_the_oracle_credits_by_request_are_those_of_the_joiner() -> None:
    events: list[Event] = [decision("r", START), click(0, START + 1, "a", "r"), click(1, START + 2, "a")]
    (outcome,), _ = joined(*events)
    frame = offline_outcomes([events[0]], [], events[1:], RULES)  # type: ignore[arg-type, list-item]
    assert frame["by_request"].to_list() == [1, 0]
    assert (outcome.clicks_by_request, outcome.clicks_by_item) == (1, 1)
