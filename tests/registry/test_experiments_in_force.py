"""The experiments in the registry: one step, one writer at a time, and what can be read stays in force."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mos_online.errors import ModelError, RegistryError, SettingsError
from mos_online.experiments.reading import parse_plan
from mos_online.registry import Registry
from mos_online.registry.experiments import ExperimentHistory, ExperimentsFollower
from mos_online.registry.storage import Storage
from tests.experiments.plans import MODELS, ROUTING, resolve
from tests.model_folder import put_into_service, write_config


@pytest.fixture
def history(place: Storage) -> ExperimentHistory:
    return ExperimentHistory(place, resolve)


def start(history: ExperimentHistory, text: str = ROUTING + MODELS) -> None:
    history.start(parse_plan(text), lambda _: None, now=7)


def test_what_is_started_is_read_by_others(history: ExperimentHistory, place: Storage) -> None:
    other = ExperimentHistory(place, resolve)
    assert (other.read().number, other.read().in_force.running) == (0, [])
    start(history)
    found = other.read()
    assert (found.number, found.problem) == (1, None)
    assert [one.name for one in found.in_force.running] == ["routing", "model"]
    other.roll_back("routing", 1, "online", "slow", now=8)
    assert history.read().in_force.running[0].is_rolled_back("online")
    assert history.roll_back("routing", 1, "online", "again", now=9).number == 2, "nothing new is not written"
    other.stop(["routing", "model"], "done", now=9)
    assert history.read().in_force.running == []


def test_models_that_cannot_serve_start_nothing_and_each_arm_is_told(history: ExperimentHistory) -> None:
    asked = []

    def check(version: str) -> None:
        asked.append(version)
        raise ModelError(f"{version} is damaged: train again")

    plan = parse_plan(ROUTING + MODELS.replace("{name: old}", "{name: old, model: m-1}"))
    for what in (history.start, history.checked):
        with pytest.raises(ModelError) as raised:
            what(plan, check, now=7)
        assert str(raised.value).splitlines() == [
            "the arm old of model cannot be served: m-1 is damaged: train again",
            "the arm new of model cannot be served: m-2 is damaged: train again",
        ]
    assert (asked, history.read().number) == (["m-1", "m-2"] * 2, 0)
    assert history.checked(plan, lambda _: None, now=7).models() == {"m-1", "m-2"}
    assert history.read().number == 0, "to check starts nothing"
    with pytest.raises(SettingsError):
        history.stop(["routing"], "done", now=8)
    assert history.read().number == 0


def test_an_alias_that_moves_while_the_models_are_checked_starts_nothing(place: Storage) -> None:
    names = {"candidate": "m-2"}
    history = ExperimentHistory(place, names.__getitem__)
    with pytest.raises(ModelError, match="an alias names m-3 since the models were checked: start again"):
        history.start(parse_plan(ROUTING + MODELS), lambda _: names.update(candidate="m-3"), now=7)
    assert history.read().number == 0
    start(history)
    assert history.read().in_force.models() == {"m-3"}


@pytest.mark.parametrize("content", [b"", b"{}\n"])
def test_a_damaged_revision_leaves_the_one_before_in_force(tmp_path: Path, content: bytes) -> None:
    registry = Registry(tmp_path)
    history = ExperimentHistory(registry._storage, resolve)
    start(history)
    start(history, "holdout: 0" + ROUTING.replace("[[0, 5000]]", "[[0, 6000]]") + MODELS)
    (tmp_path / "experiments/00000002.json").write_bytes(content)
    found = ExperimentHistory(registry._storage, resolve).read()
    assert found.number == 1
    assert "experiments/00000002.json is not what was written" in str(found.problem)
    assert history.read().problem is None, "who has read it before holds it"
    again = ExperimentHistory(registry._storage, resolve)
    start(again)
    assert (again.read().number, again.read().problem) == (3, None)


def test_a_revision_of_a_newer_program_leaves_the_one_before_in_force(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    history = ExperimentHistory(registry._storage, resolve)
    start(history)
    history._files.commit(b'{"running":[],"holdout":0,"ended":[],"new_field":1}\n', lambda: None)
    found = ExperimentHistory(registry._storage, resolve).read()
    assert found.number == 1
    assert "is of another version of MoS Online" in str(found.problem)


def test_of_two_writers_at_once_both_are_heard(place: Storage) -> None:
    start(ExperimentHistory(place, resolve))

    def take_back(arm: str) -> None:
        ExperimentHistory(place, resolve).roll_back("model", 1, arm, "slow", now=8)

    threads = [threading.Thread(target=take_back, args=(arm,)) for arm in ("new", "explores")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ExperimentHistory(place, resolve).read()
    assert {one.arm for one in found.in_force.running[1].rolled_back} == {"new", "explores"}


def test_the_follower_holds_what_it_has_while_the_registry_is_away(
    history: ExperimentHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = ExperimentsFollower(history, every=0.0)
    assert (follower.poll(), follower.found.number) == (False, 0)
    start(history)
    assert follower.poll()
    assert not follower.poll()

    def away() -> None:
        raise RegistryError("away")

    with monkeypatch.context() as patched:
        patched.setattr(history, "read", away)
        assert not follower.poll()
        assert (follower.found.number, follower.problem) == (1, "away")
    assert not follower.poll()
    assert follower.problem is None


def test_a_registry_that_is_empty_for_a_moment_ends_no_experiment(tmp_path: Path) -> None:
    """A volume that is not mounted looks like this."""
    folder = tmp_path / "models"
    start(ExperimentHistory(Registry(folder)._storage, resolve))
    follower = ExperimentsFollower(ExperimentHistory(Registry(folder)._storage, resolve), every=0.0)
    assert follower.poll()
    folder.rename(tmp_path / "unmounted")
    for _ in range(2):
        assert not follower.poll()
        assert follower.found.in_force.running
        assert "has no experiments any more" in str(follower.problem)
        folder.mkdir(exist_ok=True)
    folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    assert not follower.poll()
    assert (follower.found.number, follower.problem) == (1, None)


def test_a_revision_that_comes_after_its_commit_is_taken_up(tmp_path: Path) -> None:
    """As when a registry is restored, file by file."""
    start(ExperimentHistory(Registry(tmp_path)._storage, resolve))
    revision, elsewhere = tmp_path / "experiments/00000001.json", tmp_path / "later"
    revision.rename(elsewhere)
    follower = ExperimentsFollower(ExperimentHistory(Registry(tmp_path)._storage, resolve), every=0.0)
    assert not follower.poll()
    assert "is missing" in str(follower.problem)
    elsewhere.rename(revision)
    assert follower.poll()
    assert (follower.found.number, follower.problem) == (1, None)


def test_models_of_arms_outlive_newer_ones_until_the_experiment_ends(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for number in range(3):
        put_into_service(registry, write_config(tmp_path / f"m-{number}", f"m-{number}"))
    start(registry.experiments(), "layers:" + MODELS.replace("candidate", "m-0"))
    for number in range(3, 12):
        put_into_service(registry, write_config(tmp_path / f"m-{number}", f"m-{number}"))
    assert set(registry.versions()) == {"m-0", *(f"m-{number}" for number in range(7, 12))}
    registry.experiments().stop(["model"], "done", now=9)
    put_into_service(registry, write_config(tmp_path / "m-12", "m-12"))
    assert "m-0" not in registry.versions()
