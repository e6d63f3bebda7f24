"""What the learner changes of the experiments in a registry: only what still runs, and each once."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from learning.experiment_shelf import RegistryShelf
from learning.experiments_in_force import ExperimentsInForce
from learning.parts import learning_parts
from mos_online.errors import RegistryError
from mos_online.experiments.reading import parse_plan
from mos_online.registry import open_registry
from mos_online.registry.experiments import ExperimentHistory
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.numbered import file_of
from mos_online.settings import Settings
from tests.experiments.plans import MODELS, ROUTING, resolve


@pytest.fixture
def history(tmp_path: Path) -> ExperimentHistory:
    found = ExperimentHistory(LocalStorage(tmp_path), resolve)
    found.start(parse_plan("value: price\n" + ROUTING + MODELS), lambda _: None, now=7)
    return found


def shelf_of(history: ExperimentHistory, promoted: list[str]) -> RegistryShelf:
    return RegistryShelf(history, ExperimentsInForce(history), promoted.append, now=lambda: 0.008)


def test_an_arm_is_taken_back_once_and_only_of_the_version_that_runs(history: ExperimentHistory) -> None:
    shelf = shelf_of(history, [])
    assert (shelf.in_force().value, shelf.in_force().conversions) == ("price", ["purchase"])
    shelf.roll_back("routing", 2, "online", "another version")
    shelf.roll_back("nothing", 1, "online", "no such experiment")
    assert history.read().number == 1
    for _ in range(2):
        shelf.roll_back("routing", 1, "online", "slow")
    assert history.read().number == 2
    (taken,) = history.read().in_force.running[0].rolled_back
    assert (taken.arm, taken.at, taken.why) == ("online", 8, "slow")


def test_a_winner_is_put_into_service_and_the_experiment_ends(history: ExperimentHistory) -> None:
    promoted: list[str] = []
    shelf = shelf_of(history, promoted)
    for _ in range(2):
        shelf.ship("model", 1, "new", "better")
    shelf.stop("model", 1, "it has ended already")
    assert promoted == ["m-2"]
    (ended,) = history.read().in_force.ended
    assert ended.why == "new was put into service: better"


def test_nobody_learns_before_it_is_known_who_teaches_whom(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users of an arm would teach the champion. What was read once holds while the registry is away."""
    history = open_registry(mos_home).experiments()
    history.start(parse_plan(ROUTING), lambda _: None, now=7)
    monkeypatch.setattr("learning.experiments_in_force.LOOK", 0.0)
    known = ExperimentsInForce(history)
    assert len(known.found().running) == 1
    revision = Path(mos_home.models_location, "experiments", file_of(history.read().revision))
    revision.write_bytes(b"damaged")
    with ExitStack() as stack, pytest.raises(RegistryError, match=r"nothing is learned until .* are damaged"):
        learning_parts(mos_home, stack)
    assert "routing/1/online" in known.treatments().routers
    assert known.found() is known.found()
    open_registry(mos_home).experiments().start(parse_plan(ROUTING), lambda _: None, now=8)
    with ExitStack() as stack:
        assert learning_parts(mos_home, stack)
