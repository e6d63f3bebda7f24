"""The demo's experiment: its plan fits every log, and the report says what was found and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import polars as pl
import pytest

from mos_cli.demo.experiment import NAME, Experiment, misplaced, must_count, plan_text
from mos_cli.demo.experiment_report import experiment_faults, experiment_report
from mos_cli.demo.log import DemoLog
from mos_online.contracts import Click
from mos_online.experiments.changes import started
from mos_online.experiments.in_force import InForce
from mos_online.experiments.plan import ExperimentPlan, milliseconds
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.treatment import Treatments
from mos_online.settings import Settings
from simulator.dataset import Dataset
from simulator.visitors import Visitors
from tests.experiments import plans
from tests.experiments.test_trial_verdicts import Answer, clicks, run

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def log(span: int, users: int = 3) -> DemoLog:
    """A log of so many ms, with a click of each user."""
    times = [span * number // (users - 1) for number in range(users)]
    replayed = pl.DataFrame({"user_id": [f"u{number}" for number in range(users)], "timestamp": times})
    nothing = pl.DataFrame()
    return DemoLog(before=Dataset(name="n", events=nothing, items=nothing), replayed=replayed)


def planned(span: int, settings: Settings, users: int = 3) -> ExperimentPlan:
    (layer,) = parse_plan(plan_text(log(span, users), settings)).layers
    (plan,) = layer.experiments
    return plan


@pytest.mark.parametrize("span", [1, HOUR, 14 * HOUR, 90 * DAY, 30 * 365 * DAY])
def test_every_log_has_a_plan_and_long_ones_count_most_users(span: int, mos_home: Settings) -> None:
    plan = planned(span, mos_home)
    assert plan.name == NAME
    window, maximum = milliseconds(plan.window), milliseconds(plan.maximum)
    assert maximum > span
    if span >= 14 * HOUR:
        assert window + mos_home.join_rules.window < span / 3
        assert window > span / 5
    assert plan.expected_users == 1_000


def test_the_users_that_are_expected_are_those_of_the_log(mos_home: Settings) -> None:
    assert planned(HOUR, mos_home, users=1_203).expected_users == 1_203


def lossy(rng_share: float) -> Answer:
    """Answers of the treated arm that get lost."""
    all_of_them = clicks({"a": 0.3, "b": 0.3})
    return lambda rng, user, arm, at: (
        None if arm == "b" and rng.random() < rng_share else all_of_them(rng, user, arm, at)
    )


ALIKE = run(clicks({"a": 0.3, "b": 0.3}), users=1_500)
FOUND = Experiment(result=ALIKE, revisions=2, users=1_500, misplaced=0, due=True)
"""A run in which nothing was wrong and no difference was found."""


def experiment(result: ExperimentResult | None, *, misplaced: int = 0, due: bool = True) -> Experiment:
    return Experiment(result=result, revisions=0, users=5, misplaced=misplaced, due=due)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: run(clicks({"a": 0.3, "b": 0.5}), users=1_000), "b gets more clicks than a"),
        (lambda: run(clicks({"a": 0.5, "b": 0.3}), users=1_000), "b gets fewer clicks than a"),
        (lambda: run(clicks({"a": 0.3, "b": 0.3}), users=500), "No difference was found"),
        (
            lambda: run(clicks({"a": 0.3, "b": 0.9}), users=300),
            r"300 counted users say nothing of the difference yet: about \d+ more finished users of a and \d+ more "
            r"finished users of b are needed\. ",
        ),
        (lambda: run(clicks({"a": 0, "b": 0}), users=500), "of the difference yet: the users are all alike so far. "),
        (
            lambda: run(clicks({"a": 0, "b": 0.3}), users=500),
            "b gets more clicks than a. No counted user of a has clicked",
        ),
        (lambda: run(lossy(0.5), users=1_000), "so the difference is hidden"),
    ],
)
def test_the_report_says_what_was_found(make: Callable[[], ExperimentResult], says: str) -> None:
    report = experiment_report(experiment(make()))
    text = " ".join(report["says"])
    assert re.search(says, text)
    assert (report["relative"] is None) is (report["difference"] is None or report["difference"]["low"] is None)
    assert report["sample_ratio"]["as_planned"] is ("hidden" not in text)
    assert "was not revised" in text
    assert msgspec.json.encode(report)


def test_nobody_is_said_to_be_counted_who_was_not() -> None:
    for result in (None, run(clicks({}), users=0)):
        (said,) = experiment_report(experiment(result))["says"]
        assert said.startswith("Nobody was counted")


def test_users_must_have_the_arms_of_the_formula() -> None:
    in_force = started(InForce(), parse_plan(plans.ROUTING), plans.resolve, now=0)
    treatments, users = Treatments(in_force), [f"u{number}" for number in range(40)]
    inside = {user: one.arm for user in users for one in treatments.of(user).assignments}
    outside = next(user for user in users if user not in inside)
    right: set[tuple[str, str | None]] = {(user, f"routing/{arm}") for user, arm in inside.items()}
    assert set(inside.values()) == {"frozen", "online"}
    assert misplaced(in_force, right) == 0
    user, arm = next((user, arm) for user, arm in right)
    other = next(name for _, name in right if name != arm)
    assert misplaced(in_force, right | {(user, other)}) == 1
    assert misplaced(in_force, right | {(user, None), (outside, arm)}) == 2


@pytest.mark.parametrize(
    ("span", "fallback", "must"),
    [(14 * HOUR, None, True), (HOUR, None, False), (14 * HOUR, {"reason": "unknown_user"}, False)],
)
def test_somebody_must_be_counted_whom_the_model_has_answered(
    span: int, fallback: object, must: bool, mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors = Visitors(url="http://127.0.0.1", api_key=None, gap=HOUR, every=1)
    answer = {
        "items": [],
        "fallback": fallback,
        "popularity_as_of": 0,
        "co_clicks_as_of": 0,
        "assignments": [{"experiment": "routing", "arm": "online"}],
    }
    monkeypatch.setattr(visitors, "_post", lambda _: answer)
    for user, at in (("early", span // 4), ("late", span - 1)):
        visitors.before_click(Click(event_id=user, user_id=user, item_id="i", timestamp=at))
    assert visitors.arms == {("early", "routing/online"), ("late", "routing/online")}
    assert must_count(log(span), mos_home, visitors) is must
    visitors.ranked[:] = [span - 1]
    assert not must_count(log(span), mos_home, visitors)
    answer["assignments"] = []
    visitors.before_click(Click(event_id="next", user_id="late", item_id="i", timestamp=span))
    assert ("late", None) in visitors.arms


def test_what_is_wrong_with_an_experiment_is_a_fault() -> None:
    assert list(experiment_faults(FOUND)) == []
    assert list(experiment_faults(experiment(None, due=False))) == []
    none = "the experiment has counted none of 5 users who were answered"
    assert list(experiment_faults(experiment(None))) == [none]
    assert list(experiment_faults(experiment(run(clicks({}), users=0)))) == [none]
    assert list(experiment_faults(experiment(ALIKE, misplaced=2))) == [
        "2 of 5 users were answered in another arm than the experiment says"
    ]
    assert list(experiment_faults(experiment(run(lossy(0.5), users=1_000)))) == [
        "the arms of the experiment do not have the users that were planned"
    ]
    left_out = msgspec.structs.replace(ALIKE, left_out={"contradicted": 3})
    assert list(experiment_faults(experiment(left_out))) == ["3 answers were left out of the experiment: contradicted"]
