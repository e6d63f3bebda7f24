"""Starting, stopping and taking back: what may follow from what, and what is told otherwise."""

from __future__ import annotations

import pytest

from mos_online.errors import ModelError, SettingsError
from mos_online.experiments.changes import rolled_back, stopped
from mos_online.experiments.in_force import InForce
from tests.experiments.plans import ALIASES, MODELS, ROUTING, in_force

BEFORE = in_force(ROUTING + MODELS)


def test_a_start_notes_the_models_that_aliases_mean() -> None:
    routing, model = BEFORE.running
    assert (routing.models, model.models) == ({}, {"candidate": "m-2"})
    assert BEFORE.models() == {"m-2"}
    assert [one.started_at for one in BEFORE.running] == [1, 1]


@pytest.mark.parametrize(
    "change",
    [("[[0, 5000]]", "[[0, 5000], [6000, 7000]]"), ("[[0, 5000]]", "[[0, 2000], [2000, 5001]]"), ("5000", "10000")],
)
def test_added_buckets_go_on_with_the_same_start_and_the_same_arms_taken_back(change: tuple[str, str]) -> None:
    taken = rolled_back(BEFORE, "routing", 1, "online", "slow", now=5)
    after = in_force(ROUTING.replace(*change) + MODELS, taken, now=9)
    routing = after.running[0]
    assert (routing.started_at, routing.is_rolled_back("online")) == (1, True)
    assert routing.plan.buckets != BEFORE.running[0].plan.buckets
    assert after.ended == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[0, 5000]]", "[[1, 5001]]", "ranges may only be added, never moved; keep them, or raise its version to 2"),
        ("name: online,", "name: live,", "routing runs and was changed in arms: raise its version to 2"),
        ("router: online}", "router: online, weight: 2}", "routing runs and was changed in arms"),
        ("primary: ctr", "primary: ndcg", "routing runs and was changed in primary"),
        ("control: frozen", "control: online", "routing runs and was changed in control"),
        ("name: home", "name: front", r"changed in layer \(home to front\)"),
        ("name: routing", "name: other", "routing runs and is not in the file: stop it with `mos experiments stop rou"),
        ("layers:", "holdout: 10\nlayers:", "the holdout may not grow from 0 to 10"),
    ],
)
def test_what_a_running_experiment_may_not_change_is_told(old: str, new: str, words: str) -> None:
    assert old in ROUTING
    with pytest.raises(SettingsError, match=words):
        in_force(ROUTING.replace(old, new, 1) + MODELS, BEFORE)


def test_a_higher_version_ends_the_one_before_and_begins_without_arms_taken_back() -> None:
    taken = rolled_back(BEFORE, "routing", 1, "online", "slow", now=5)
    after = in_force(ROUTING.replace("version: 1", "version: 2").replace("[0, 5000]", "[7, 9]") + MODELS, taken, now=9)
    routing = after.running[0]
    assert (routing.version, routing.started_at, routing.rolled_back) == (2, 9, [])
    (ended,) = after.ended
    assert (ended.name, ended.version, ended.ended_at, ended.is_rolled_back("online")) == ("routing", 1, 9, True)


def test_what_has_ended_does_not_begin_again() -> None:
    after = stopped(BEFORE, ["routing"], "done", now=5)
    assert [one.name for one in after.running] == ["model"]
    with pytest.raises(SettingsError, match="version 1 of routing has run already: raise its version to 2"):
        in_force(ROUTING + MODELS, after)
    again = in_force(ROUTING.replace("version: 1", "version: 2") + MODELS, after)
    assert [one.version for one in again.running] == [2, 1]
    with pytest.raises(SettingsError, match="no experiment routing runs; running are: model"):
        stopped(after, ["routing"], "done", now=6)


def test_models_that_run_stay_those_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALIASES, "candidate", "m-1")
    assert in_force(ROUTING + MODELS, BEFORE).models() == {"m-2"}
    assert in_force(ROUTING + MODELS).models() == {"m-1"}


def test_an_arm_without_a_model_is_told() -> None:
    with pytest.raises(ModelError, match="the arm new of model has no model: no model version 'm-9'"):
        in_force(ROUTING + MODELS.replace("model: candidate", "model: m-9"))


def test_taking_an_arm_back_twice_is_once_and_impossible_ones_are_told() -> None:
    taken = rolled_back(BEFORE, "model", 1, "new", "slow", now=5)
    assert rolled_back(taken, "model", 1, "new", "slower", now=6) == taken
    for experiment, version, arm, words in (
        ("model", 2, "new", "version 2 of the experiment model does not run"),
        ("nothing", 1, "new", "version 1 of the experiment nothing does not run"),
        ("model", 1, "old", "choose one of new, explores"),
        ("model", 1, "gone", "choose one of new, explores"),
    ):
        with pytest.raises(ModelError, match=words):
            rolled_back(BEFORE, experiment, version, arm, "why", now=5)


def test_nothing_at_all_may_run() -> None:
    assert in_force("layers: []") == InForce()
    assert in_force("holdout: 5\nlayers: []", InForce(holdout=1)).holdout == 5


@pytest.mark.parametrize(("sets", "experiments", "told"), [("router: online", 3, False), ("router: online", 4, True)])
def test_more_arms_than_a_replica_can_hold_are_told(sets: str, experiments: int, *, told: bool) -> None:
    text = _many(sets, experiments)
    if not told:
        assert len(in_force(text).running) == experiments
        return
    with pytest.raises(SettingsError, match="need 40 pairs of model and router beside the champion, and a replica hol"):
        in_force(text)


@pytest.mark.parametrize("sets", ["router: frozen", "fast_weights: true"])
def test_arms_that_share_a_router_are_one_in_memory(sets: str) -> None:
    assert len(in_force(_many(sets, 10)).running) == 10


def _many(sets: str, experiments: int) -> str:
    arms = ", ".join(f"{{name: a{number}, {sets}}}" for number in range(10))
    return "layers:\n  - name: many\n    experiments:\n" + "".join(
        f"      - {{name: e{n}, buckets: [[{n}, {n + 1}]], control: a1, arms: [{arms}], primary: ctr}}\n"
        for n in range(experiments)
    )
