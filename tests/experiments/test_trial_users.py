"""Users of experiments: each once, as the definitions say, whatever the batches, repeats and restarts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import OUTCOMES, SESSIONS, Fallback, Outcome, Session, encode
from mos_online.experiments.counting import Counting
from mos_online.experiments.early_row import EARLY, EarlyRow
from mos_online.experiments.plan import milliseconds
from mos_online.experiments.trial import TrialState
from mos_online.experiments.trials import Trials
from mos_online.experiments.user_row import UserRow
from mos_online.experiments.users import ExperimentUsers, UserRules
from mos_online.learning.canonical import canonical
from mos_online.learning.order import Cell, EventOrder, Source, complete_at
from mos_online.learning.repeats import Repeats
from tests.experiments.trial_logs import DAY, FEEDBACK, GAP, PLAN, SETTLE, T, logs, offline_users, outcome, session

COUNTING = Counting(value="price")
WINDOW = milliseconds(PLAN.window)
LATER = T + 30 * DAY


def cells_of(log: Sequence[Outcome | Session], order: Sequence[int]) -> list[Cell]:
    """The log through the order of the learner: records of two partitions in any order of arrival, some repeated."""
    ordered, seen = EventOrder(given_to=-1), Repeats()
    ends = sorted(log, key=complete_at)
    for offset, (place, record) in enumerate(sorted(zip(order, ends, strict=False), key=lambda one: one[0])):
        kind, value = (SESSIONS, OUTCOMES)[isinstance(record, Outcome)], encode(record)
        del place
        for _ in range(2):  # a worker publishes again after a crash
            if not seen.seen(value):
                ordered.add(Source(kind, offset), 0, complete_at(record), value, record)
    return ordered.ready(None)


def rows_of(cells: Sequence[Cell]) -> tuple[list[UserRow], list[EarlyRow]]:
    trials = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP)
    users = ExperimentUsers(UserRules(window=WINDOW, settle=SETTLE, maximum=10 * DAY), COUNTING, trials.past)
    rows: list[UserRow] = []
    early: list[EarlyRow] = []
    for cell in cells:
        batch = cell.batch()
        trials.past.add(batch.sessions)
        for one in batch.sessions:
            users.take_session(one)
        for answer in batch.outcomes:
            users.take_outcome(answer, answer.assignments[0].arm, cell.event_time)
        trials.past.advance(cell.event_time)
        early += users.early(cell.event_time)
        rows += users.finished(cell.event_time)
    return rows + list(users.finished(LATER)), early + list(users.early(LATER))


@settings(deadline=None, max_examples=60)
@given(logs(), st.permutations(range(24)))
def test_finished_users_are_those_of_the_definitions(log: list[Outcome | Session], order: list[int]) -> None:
    rows, early = rows_of(cells_of(log, order))
    assert rows == sorted(rows, key=lambda row: row.due)
    told = {
        row.user_id: {
            "exposed_at": row.exposed_at,
            "answers": row.answers,
            "shown": sum(row.shown),
            "clicked": sum(row.clicked),
            "ndcg": pytest.approx(row.ndcg),
            "sessions": row.sessions,
            "returned": row.returned,
            "conversions": row.conversions,
            "value": pytest.approx(row.value),
            "sessions before": row.before.sessions,
            "actions before": row.before.actions,
        }
        for row in rows
    }
    assert len(told) == len(rows)
    offline = offline_users(log, WINDOW)
    assert {user: {key: found[key] for key in told.get(user, {})} for user, found in offline.items()} == told
    first_hours = {
        row.user_id: {
            "exposed_at": row.exposed_at,
            "answers": row.answers,
            "fallbacks": row.fallbacks,
            "shown": row.shown,
            "clicked": row.clicked,
        }
        for row in early
    }
    assert sum(row.credited for row in early) == sum(row.clicked for row in early)
    offline = offline_users(log, EARLY)
    assert {user: {key: found[key] for key in first_hours[user]} for user, found in offline.items()} == first_hours


@settings(deadline=None, max_examples=30)
@given(logs(), st.permutations(range(24)), st.integers(0, 24))
def test_a_restart_anywhere_ends_in_the_same_bytes(
    log: list[Outcome | Session], order: list[int], stopped_after: int
) -> None:
    cells = cells_of(log, order)
    whole, first, second = (Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP) for _ in range(3))
    trial, before = whole.start(PLAN), first.start(PLAN)
    for cell in cells:
        whole.take(cell.batch().sessions, cell.batch().outcomes, cell.event_time)
    for cell in cells[:stopped_after]:
        first.take(cell.batch().sessions, cell.batch().outcomes, cell.event_time)
        second.remember(cell.batch().sessions, cell.event_time)
    after = second.start(PLAN, msgspec.json.decode(canonical(before.state()), type=TrialState))
    for cell in cells[stopped_after:]:
        second.take(cell.batch().sessions, cell.batch().outcomes, cell.event_time)
    for one, trials in ((trial, whole), (after, second)):
        trials.take((), (), LATER)
        assert sum(one.result().users[arm].finished for arm in "ab") == len(offline_users(log, WINDOW))
    assert canonical(after.state()) == canonical(trial.state())
    assert canonical(after.result()) == canonical(trial.result())


@settings(deadline=None, max_examples=60)
@given(logs(), st.permutations(range(24)))
def test_whoever_is_known_too_late_is_left_out_whatever_the_order(
    log: list[Outcome | Session], order: list[int]
) -> None:
    """The cells of the log in any order: a late one has the event time of the one before. Nobody counts by halves."""
    cells = [cell for _, cell in sorted(zip(order, cells_of(log, range(24)), strict=False), key=lambda one: one[0])]
    trials = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP)
    users = ExperimentUsers(UserRules(window=WINDOW, settle=SETTLE, maximum=90 * DAY), COUNTING, trials.past)
    rows: list[UserRow] = []
    latest = -1
    known: list[tuple[int, Outcome | Session]] = []
    for cell in cells:
        known += [(latest, one.record) for one in cell.records]
        latest = max(latest, cell.event_time)
        trials.past.add(cell.batch().sessions)
        for one in cell.batch().sessions:
            users.take_session(one)
        for answer in cell.batch().outcomes:
            users.take_outcome(answer, answer.assignments[0].arm, latest)
        trials.past.advance(latest)
        rows += users.finished(latest)
    rows += users.finished(LATER)
    assert len(rows) + users.left_out["too_late"] == len(offline_users(log, WINDOW))
    for row in rows:  # all that was known in time
        mine = [one for before, one in known if one.user_id == row.user_id and before <= row.settled_at]
        told = offline_users([one for one in mine if _since(one) >= row.exposed_at], WINDOW)[row.user_id]
        assert (row.answers, sum(row.clicked), row.sessions, row.conversions) == (
            told["answers"],
            told["clicked"],
            told["sessions"],
            told["conversions"],
        )


def _since(record: Outcome | Session) -> int:
    return record.timestamp if isinstance(record, Outcome) else record.watermark


def test_an_answer_that_the_model_could_not_rank_is_an_exposure() -> None:
    """Whether the model knows the items depends on the arm's model: leaving these users out would choose by arm."""
    users = ExperimentUsers(
        UserRules(window=WINDOW, settle=SETTLE, maximum=DAY),
        COUNTING,
        Trials(COUNTING, feedback_window=1, session_gap=1).past,
    )
    fallback = Fallback(source="popularity", reason="no_known_items")
    assert users.take_outcome(outcome(1, "u", T, fallback=fallback), "a", T) is not None


def test_nobody_enters_after_the_longest_duration_or_counts_in_two_arms() -> None:
    trials = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP)
    trial = trials.start(PLAN)
    answers = [outcome(1, "u0", T), outcome(2, "u0", T + 5, arm="b"), outcome(3, "u1", T + 10 * DAY, arm="b")]
    for answer in answers:
        trials.take((), [answer], answer.window_end)
    trials.take((), (), LATER)
    found = trial.result()
    assert [found.users[arm].finished for arm in "ab"] == [1, 0]
    assert found.left_out == {"another_arm": 1}
    assert found.over


def test_answers_that_contradict_the_plan_do_not_count() -> None:
    trials = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP)
    trial = trials.start(PLAN)
    wrong = [outcome(1, "u0", T, arm="c"), outcome(2, "u1", T, probability=0.3), outcome(3, "u2", T, version=2)]
    trials.take((), wrong, T + FEEDBACK)
    assert trial.result().left_out == {"contradicted": 1, "unknown_arm": 1}
    assert not any(arm.exposed for arm in trial.result().users.values())


def test_a_session_of_before_the_answer_counts_from_the_answer_on() -> None:
    """The experiment starts in the middle of a session: it is no past, and its later purchase counts."""
    minutes = [T - 600_000, T - 300_000, T + 60_000]
    rows, _ = rows_of(cells_of([outcome(1, "u0", T), session(1, "u0", minutes, bought=3.0)], [0, 1]))
    assert [(row.sessions, row.value, row.before.sessions) for row in rows] == [(0, 3.0, 0.0)]


def test_an_experiment_keeps_its_rule_of_conversions_to_its_end() -> None:
    """The file changes what a conversion is: that holds for experiments that start later, and for all of their past."""
    sessions = [session(number, "u0", [T + number * 60_000], bought=float(number % 2)) for number in range(6)]
    views = Counting(conversions=["view"])
    trials = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP, kept=lambda: sessions[:4])
    first = trials.start(PLAN)
    trials.take(sessions[:4], (), sessions[3].watermark + FEEDBACK)
    trials.count_by(views)
    second = trials.start(msgspec.structs.replace(PLAN, version=2))
    answers = [outcome(1, "u0", T + 2 * DAY), outcome(2, "u0", T + 2 * DAY, version=2)]
    trials.take(sessions[4:], (), T + DAY)
    trials.take((), answers, T + 2 * DAY)
    before = [one.state().users.open[0].before for one in (first, second)]
    assert [(one.sessions, one.conversions, one.value) for one in before] == [(6, 6, 3.0), (6, 0, 0.0)]
    again = Trials(views, feedback_window=FEEDBACK, session_gap=GAP)
    third = again.start(msgspec.structs.replace(PLAN, version=2))
    again.take(sessions, (), T + DAY)
    again.take((), answers, T + 2 * DAY)
    assert canonical(third.state()) == canonical(second.state())


def test_a_time_that_no_answer_can_have_taken_is_not_known() -> None:
    """Whoever published it was wrong; the others count for each limit that they passed."""
    users = ExperimentUsers(
        UserRules(window=WINDOW, settle=SETTLE, maximum=DAY),
        COUNTING,
        Trials(COUNTING, feedback_window=1, session_gap=1).past,
    )
    for number, latency in enumerate((10.0, 51.0, 1e200)):
        users.take_outcome(msgspec.structs.replace(outcome(number, "u", T), latency_ms=latency), "a", T)
    (row,) = users.early(LATER)
    assert (row.answers, row.slow, row.timed) == (3, {10: 1, 20: 1, 50: 1}, 2)


@pytest.mark.parametrize(("known_for", "expected"), [(WINDOW - 1, None), (WINDOW, 1.0)])
def test_what_is_usual_is_not_known_from_less_than_a_window(known_for: int, expected: float | None) -> None:
    """In an hour nobody does much: that would make outliers of most users of a week."""
    past = Trials(COUNTING, feedback_window=FEEDBACK, session_gap=GAP).past
    for number in range(1_000):
        past.add([session(number, f"u{number}", [T + number])])
    usual = past.usual(T + GAP + 1 + known_for, WINDOW)
    assert (usual.sessions if usual is not None else None) == expected
