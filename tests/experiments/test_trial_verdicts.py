"""What an experiment says of planted truths: a gain, harm, nothing, users who are missing, and an effect that fades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from mos_online.contracts import Fallback, Outcome
from mos_online.experiments.counting import Counting
from mos_online.experiments.early_row import EarlyRow
from mos_online.experiments.guards import Guard
from mos_online.experiments.plan import ArmPlan, ExperimentPlan, Guardrail
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.trials import Trials
from tests.experiments.trial_logs import FEEDBACK, GAP, MINUTE, T, outcome

HOUR = 60 * MINUTE
PLAN = ExperimentPlan(
    name="routing",
    buckets=[[0, 10_000]],
    control="a",
    arms=[ArmPlan(name="a"), ArmPlan(name="b")],
    primary="ctr",
    window="7h",
    minimum="1h",
    maximum="10d",
    expected_users=2_000,
)
FELL_BACK = Fallback(source="model", reason="unknown_user")

Answer = Callable[[np.random.Generator, int, str, int], Outcome | None]
"""Random numbers, number of a user, arm, and time -> the answer; None: it is lost."""


def clicks(chances: dict[str, float]) -> Answer:
    """Three items that are clicked with the chance of the arm."""

    def answer(rng: np.random.Generator, user: int, arm: str, at: int) -> Outcome:
        clicked = np.flatnonzero(rng.random(3) < chances[arm]).tolist()
        return outcome(user, f"u{user}", at, arm=arm, clicked=clicked)

    return answer


def run(answer: Answer, plan: ExperimentPlan = PLAN, *, users: int = 3_000, end: int = 10 * HOUR) -> ExperimentResult:
    """Users one minute apart, in the arms by chance; the result when the last one is finished."""
    rng, trials = np.random.default_rng(1), Trials(Counting(), feedback_window=FEEDBACK, session_gap=GAP)
    trial = trials.start(plan)
    for user in range(users):
        at = T + user * MINUTE
        found = answer(rng, user, "ab"[int(rng.random() < 0.5)], at)
        trials.take((), [found] if found is not None else (), at + FEEDBACK + 1000)
    trials.take((), (), T + users * MINUTE + end)
    return trial.result()


def word(result: ExperimentResult) -> str:
    (verdict,) = result.verdicts.values()
    return verdict.word


@pytest.mark.parametrize(
    ("treated", "changes", "expected"),
    [
        (0.5, {}, "ship"),
        (0.5, {"minimum": "9d"}, "keep running"),
        (0.1, {}, "harm"),
        (0.3, {}, "keep running"),
        (0.3, {"smallest_effect": 0.3}, "futile"),
        (0.3, {"maximum": "1d"}, "ended"),
    ],
)
def test_the_word_is_that_of_the_planted_truth(treated: float, changes: dict[str, object], expected: str) -> None:
    result = run(clicks({"a": 0.3, "b": treated}), msgspec.structs.replace(PLAN, **changes))
    assert word(result) == expected
    (arm,) = result.arms
    assert arm.primary.low is not None
    assert arm.primary.high is not None
    assert arm.primary.low < treated - 0.3 < arm.primary.high
    assert arm.primary.naive_low is not None
    assert arm.primary.naive_low > arm.primary.low


def test_missing_users_hide_everything() -> None:
    better = clicks({"a": 0.3, "b": 0.5})
    result = run(
        lambda rng, user, arm, at: None if arm == "b" and rng.random() < 0.3 else better(rng, user, arm, at),
        users=4_000,
    )
    assert word(result) == "sample ratio mismatch"
    assert result.arms == []
    assert result.looks == []
    assert "0.5" not in msgspec.json.encode(result.verdicts).decode()


def test_an_arm_without_any_user_is_a_mismatch() -> None:
    same = clicks({"a": 0.3, "b": 0.3})
    result = run(lambda rng, user, _, at: same(rng, user, "a", at), users=1_500)
    assert word(result) == "sample ratio mismatch"


def themes(arm: str) -> tuple[int, int, int]:
    return (1, 1, 1) if arm == "b" else (1, 2, 2)


@pytest.mark.parametrize(
    ("metric", "margin", "harmful"),
    [
        (
            "fallback",
            0.2,
            lambda user, arm, at: outcome(user, f"u{user}", at, arm=arm, fallback=_now_and_then(user, arm)),
        ),
        ("theme-exposure", 0.5, lambda user, arm, at: outcome(user, f"u{user}", at, arm=arm, themes=themes(arm))),
        ("coverage", 0.2, lambda user, arm, at: outcome(user, f"u{user}", at, arm=arm, items=_items(user, arm))),
    ],
)
def test_a_harmed_guardrail_ends_the_arm(
    metric: str, margin: float, harmful: Callable[[int, str, int], Outcome]
) -> None:
    guarded = msgspec.structs.replace(PLAN, guardrails=[Guardrail(metric=metric, margin=margin)])  # type: ignore[arg-type]
    result = run(lambda _, user, arm, at: harmful(user, arm, at), guarded, users=3_600)
    assert word(result) == "harm"
    assert metric in result.verdicts["b"].why
    (arm,) = result.arms
    (guard,) = arm.guards
    assert guard.breached
    assert arm.primary.users < 3_600  # nobody is counted any more
    allowed = run(lambda _, user, arm, at: _moved(harmful(user, "a", at), arm), guarded)
    assert word(allowed) == "keep running"


def _moved(found: Outcome, arm: str) -> Outcome:
    """The same answer in another arm."""
    return msgspec.structs.replace(found, assignments=[msgspec.structs.replace(found.assignments[0], arm=arm)])


def _now_and_then(user: int, arm: str) -> Fallback | None:
    return FELL_BACK if user % 10 < (4 if arm == "b" else 2) else None


def _items(user: int, arm: str) -> tuple[str, str, str]:
    first = user % 3 if arm == "b" else user % 60
    return f"i{3 * first}", f"i{3 * first + 1}", f"i{3 * first + 2}"


@pytest.mark.parametrize(
    ("metric", "of_user"),
    [
        ("ctr", lambda rng, more: {"clicked": int(rng.binomial(10, 0.5 / more))}),
        ("latency", lambda rng, more: {"slow": {100: int(rng.binomial(4, 0.2 * more))}, "timed": 4}),
        ("fallback", lambda rng, more: {"fallbacks": int(rng.binomial(4, 0.2 * more)), "answers": 4}),
        ("popularity-lift", lambda rng, more: {"popular": rng.random() * more}),
        ("orphan-clicks", lambda rng, more: {"named": 5, "credited": 5 - int(rng.binomial(5, 0.2 * more))}),
        ("theme-exposure", lambda rng, more: {"themes": {1: 10 - (few := int(rng.binomial(10, 0.3 / more))), 2: few}}),
    ],
)
def test_a_guardrail_allows_its_margin_and_no_more(
    metric: str, of_user: Callable[[np.random.Generator, float], dict[str, Any]]
) -> None:
    """With 40 % more, a margin of 20 % is breached, and one of 50 % is not."""
    planned = {margin: Guard.of(Guardrail(metric=metric, margin=margin)) for margin in (0.2, 0.5)}  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    for user in range(4_000):
        treated = bool(rng.random() < 0.5)
        told = of_user(rng, 1.4 if treated else 1.0)
        row = EarlyRow(user_id=f"u{user}", arm="b", exposed_at=0, until=1, settled_at=2, shown=10, **told)
        for guard in planned.values():
            guard.add(row, treated=treated, probability=0.5)
    strict, lenient = (guard.judged(expected=4_000, alpha=0.05) for guard in planned.values())
    assert (strict.breached, lenient.breached) == (True, False)
    assert strict.users == 4_000
    worse = strict.treated / strict.control
    assert (1 / worse if metric in {"ctr", "theme-exposure"} else worse) == pytest.approx(1.4, rel=0.1)


def test_an_effect_that_fades_is_not_shipped() -> None:
    """Clicks of the treated only in the first hours of a user's window; each user comes twice."""
    rng, trials = np.random.default_rng(2), Trials(Counting(), feedback_window=FEEDBACK, session_gap=GAP)
    trial = trials.start(PLAN)
    answers = []
    for user in range(3_000):
        arm, at = "ab"[int(rng.random() < 0.5)], T + user * MINUTE
        for visit, later in enumerate((0, 5 * HOUR)):
            chance = 0.6 if arm == "b" and visit == 0 else 0.3
            clicked = np.flatnonzero(rng.random(3) < chance).tolist()
            answers.append(outcome(2 * user + visit, f"u{user}", at + later, arm=arm, clicked=clicked))
    for answer in sorted(answers, key=lambda one: one.window_end):
        trials.take((), [answer], answer.window_end + 1000)
    trials.take((), (), T + 3_020 * MINUTE + 9 * HOUR)
    verdict = trial.result().verdicts["b"]
    assert (verdict.word, "fades" in verdict.why) == ("keep running", True)


def test_ten_thousand_looks_are_thinned_out() -> None:
    result = run(clicks({"a": 0.3, "b": 0.3}), users=5_000)
    assert 200 <= len(result.looks) <= 402
    assert result.looks[-1].at == result.event_time
    assert [look.at for look in result.looks] == sorted(look.at for look in result.looks)
