"""What a user gets of all layers together, and who learns from whom."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Assignment
from mos_online.experiments import bucket
from mos_online.experiments.changes import rolled_back
from mos_online.experiments.in_force import InForce
from mos_online.experiments.treatment import CHAMPION, DEFAULT, HOLDOUT_SALT, NOBODY, Treatment, Treatments
from tests.experiments.plans import MODELS, ROUTING, in_force

BOTH = in_force(ROUTING + MODELS)
USERS = [f"u{number}" for number in range(300)]


def test_without_experiments_everybody_gets_what_everybody_gets() -> None:
    nothing = Treatments(InForce())
    assert nothing.of("anna") == NOBODY == ([], DEFAULT, CHAMPION)
    assert (nothing.all(), nothing.routers, nothing.fast) == ({DEFAULT}, {}, set())


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_layers_are_joined_and_each_parameter_has_one_owner(user: str) -> None:
    treatments = Treatments(BOTH)
    found = treatments.of(user)
    arms = {one.experiment: one.arm for one in found.assignments}
    assert "model" in arms, "all users are in that layer"
    assert ("routing" in arms) == (bucket("home", user) < 5000)
    assert found.treatment.model == ("m-2" if arms["model"] == "new" else None)
    assert found.treatment.exploration == (0.2 if arms["model"] == "explores" else 0.0)
    assert found.treatment.router == ("frozen" if arms.get("routing") == "frozen" else "online")
    learner = f"routing/1/{arms['routing']}" if "routing" in arms else CHAMPION
    assert found.treatment.learner == found.teaches == learner
    assert found.treatment in treatments.all()
    assert found == treatments.of(user), "sticky"


def test_an_experiment_of_models_diverts_nobody_and_one_of_routers_does() -> None:
    treatments = Treatments(BOTH)
    assert treatments.routers == {"routing/1/online": None}
    assert treatments.fast == {"routing/1/frozen", "routing/1/online"}
    assert Treatments(in_force("layers:" + MODELS)).fast == set()
    frozen = in_force(ROUTING.replace("router: frozen}", "router: frozen, fast_weights: false}"))
    assert Treatments(frozen).fast == {"routing/1/online"}


def test_an_arm_that_learns_on_a_model_of_its_own_learns_from_its_router() -> None:
    text = ROUTING.replace("{name: online, router: online}", "{name: online, router: online, model: candidate}")
    assert Treatments(in_force(text)).routers == {"routing/1/online": "m-2"}


def test_users_of_an_arm_that_was_taken_back_stay_assigned_get_the_control_and_teach_nobody() -> None:
    before, after = Treatments(BOTH), Treatments(rolled_back(BOTH, "routing", 1, "online", "slow", now=5))
    changed = 0
    for user in USERS:
        old, new = before.of(user), after.of(user)
        assert [a.arm for a in old.assignments] == [a.arm for a in new.assignments]
        if any(a.arm == "online" for a in old.assignments):
            changed += 1
            assert [a.control_because for a in new.assignments if a.experiment == "routing"] == ["rolled_back"]
            assert (new.treatment.router, new.treatment.learner) == ("frozen", "routing/1/frozen")
            assert new.teaches is None
        else:
            assert old == new
    assert changed > 50
    assert after.routers == {}


def test_users_of_an_arm_whose_model_is_not_there_get_the_control() -> None:
    because: Counter[str | None] = Counter()
    for user in USERS:
        found = Treatments(BOTH, not_loaded={"m-2"}).of(user)
        (assignment,) = [one for one in found.assignments if one.experiment == "model"]
        because[assignment.control_because] += 1
        assert (assignment.control_because == "not_loaded") == (assignment.arm == "new")
        assert found.treatment.model is None
    assert because.keys() == {None, "not_loaded"}


def test_without_the_model_of_the_control_its_users_get_the_champion() -> None:
    text = "layers:" + MODELS.replace("{name: old}", "{name: old, model: m-1}")
    treatments = Treatments(in_force(text), not_loaded={"m-1"})
    found = {(a.arm, a.control_because, t.model) for a, t in _of_all(treatments)}
    assert found == {("old", "control_not_loaded", None), ("new", None, "m-2"), ("explores", None, None)}


FROZEN_AND_ONLINE = "{name: frozen, router: frozen, model: m-1}, {name: online, router: online, model: candidate}"


@pytest.mark.parametrize("taken_back", [False, True])
@pytest.mark.parametrize("not_loaded", [{"m-1"}, {"m-2"}, {"m-1", "m-2"}])
def test_whatever_cannot_be_loaded_what_answers_is_there_with_all_that_belongs_to_it(
    not_loaded: set[str], taken_back: bool
) -> None:
    started = in_force(
        ROUTING.replace("{name: frozen, router: frozen}, {name: online, router: online}", FROZEN_AND_ONLINE)
    )
    plan = rolled_back(started, "routing", 1, "online", "slow", now=5) if taken_back else started
    treatments = Treatments(plan, not_loaded=not_loaded)
    reasons = set()
    for user in USERS:
        for assignment in (found := treatments.of(user)).assignments:
            reasons.add((assignment.arm, because := assignment.control_because))
            own = {"frozen": "m-1", "online": "m-2"}[assignment.arm]
            answers = {None: own, "control_not_loaded": None}.get(because, "m-1")
            assert (found.treatment.model, found.treatment.model in not_loaded) == (answers, False)
            assert found.treatment.learner in treatments.fast | {CHAMPION}, "so there are click probabilities"
            assert (found.treatment == DEFAULT) == (because == "control_not_loaded")
            assert (found.teaches is None) == (because is not None)
    frozen = "control_not_loaded" if "m-1" in not_loaded else None
    because = "rolled_back" if taken_back else "not_loaded" if "m-2" in not_loaded else None
    online = frozen if because is not None and frozen is not None else because
    assert reasons == {("frozen", frozen), ("online", online)}


def _of_all(treatments: Treatments) -> list[tuple[Assignment, Treatment]]:
    return [(found.assignments[0], found.treatment) for found in map(treatments.of, USERS)]


def test_the_holdout_is_in_nothing() -> None:
    treatments = Treatments(in_force("holdout: 2000" + ROUTING + MODELS))
    out = [user for user in USERS if treatments.of(user) == NOBODY]
    assert out == [user for user in USERS if bucket(HOLDOUT_SALT, user) < 2000]
    assert len(out) == pytest.approx(60, abs=20)


def test_a_hundred_arms_and_any_user_id() -> None:
    arms = ", ".join(f"{{name: a{number}, exploration: 0.{number}1}}" for number in range(1, 5))
    text = "layers:\n  - name: many\n    experiments:\n" + "".join(
        f"      - {{name: e{n}, buckets: [[{n * 400}, {n * 400 + 400}]], control: a1, arms: [{arms}], primary: ctr}}\n"
        for n in range(25)
    )
    treatments = Treatments(in_force(text))
    assert len(treatments.all()) == 5
    for user in ("", "\N{SNOWMAN}", "Zoë", "x" * 256, "a\0b", "a b"):
        assert len(treatments.of(user).assignments) == 1


def test_the_sql_of_the_documentation_gives_the_arms_of_its_file() -> None:
    page = (Path(__file__).parents[2] / "docs/experiments.md").read_text(encoding="utf-8")
    part = page[page.index("### The file") :]
    plan, code = (re.findall(rf"^```{kind}\n(.*?)^```", part, re.M | re.S)[0] for kind in ("yaml", "python"))
    names: dict[str, Any] = {}
    exec(compile(code, "documentation", "exec"), names)
    treatments = Treatments(in_force(plan))
    found = {user: treatments.of(user).assignments for user in (f"u{number}" for number in range(1000))}
    assert dict(names["arms"]) == {user: arms[0].arm for user, arms in found.items() if arms}
