"""``mos experiments``: what a file says, and what stands in its way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mos_online.registry import open_registry
from mos_online.settings import Settings
from simulator.population import SyntheticConfig, populate
from tests.experiments.test_experiments_file import GOOD
from tests.mos_cli.mos_runs import Mos
from tests.simulator.loop.small_model import small_checkpoint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_shown(mos: Mos, file: Path) -> None:
    answer = mos("experiments", "validate", str(file))
    assert answer.status == 0
    words = answer.out.split()
    assert {"online-routing,", "(control)", "9.9%", "19.8%"} <= set(words)


def test_an_arm_whose_model_there_is_not_is_told(mos: Mos, file: Path) -> None:
    file.write_text(GOOD.replace("weight: 2", "weight: 2, model: candidate"))
    answer = mos("experiments", "validate", str(file))
    assert answer.status == 2
    assert "the arm online of online-routing has no model: no model of" in answer.err


def test_an_arm_whose_model_cannot_serve_is_told_with_the_remedy(
    mos: Mos, file: Path, mos_home: Settings, tmp_path: Path
) -> None:
    population = populate(SyntheticConfig.parse("users=30,themes=4,items_per_theme=6,seed=1"))
    small_checkpoint(population, spare=0).save_pretrained(tmp_path / "model", "# a card")
    version = open_registry(mos_home).add(tmp_path / "model")
    file.write_text(GOOD.replace("weight: 2", "weight: 2, model: candidate"))
    assert mos("experiments", "validate", str(file)).status == 0
    weights = Path(mos_home.models_location) / "versions" / version / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    for verb in ("validate", "start"):
        answer = mos("experiments", verb, str(file))
        assert answer.status == 2
        said = " ".join(answer.err.split())
        assert f"the arm online of online-routing cannot be served: model {version} is damaged" in said
        assert "add it again (`mos train`)" in said


def test_a_file_is_started_extended_and_stopped(mos: Mos, file: Path, mos_home: Settings) -> None:
    history = open_registry(mos_home).experiments()
    assert "in force: revision 1 of the experiments" in mos("experiments", "start", str(file)).out
    file.write_text(GOOD.replace("[4000, 5000]", "[4000, 7000]"))
    assert "33.0%" in mos("experiments", "validate", str(file)).out
    assert history.read().number == 1, "validate starts nothing"
    assert mos("experiments", "start", str(file)).status == 0
    assert history.read().in_force.running[0].plan.buckets == [[0, 2000], [4000, 7000]]

    file.write_text("conversions: [order]\n" + GOOD.replace("[4000, 5000]", "[4000, 7000]"))
    told = "online-routing goes on to count what it was started with: conversions purchase; value "
    assert told in mos("experiments", "validate", str(file)).out
    assert told in mos("experiments", "start", str(file)).out
    running = history.read().in_force
    assert (running.conversions, running.running[0].conversions) == (["order"], ["purchase"])

    file.write_text(GOOD)
    refused = mos("experiments", "start", str(file))
    assert refused.status == 2
    assert "ranges may only be added, never moved" in refused.err
    stopped = mos("experiments", "stop", "--why", "enough")
    assert "stopped: online-routing; running: none" in stopped.out
    (ended,) = history.read().in_force.ended
    assert ended.why == "enough"
    assert "raise its version to 2" in mos("experiments", "validate", str(file)).err
    assert "no experiment nothing runs; running are: none" in mos("experiments", "stop", "nothing").err


def test_the_experiment_of_the_first_page_runs_as_it_is_written(mos: Mos, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(layers:.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "experiments.yaml"
    path.write_text(text)
    started = mos("experiments", "start", str(path))
    assert started.status == 0
    assert "online-routing" in started.out
