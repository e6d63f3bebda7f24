"""``mos experiments``: what a file says, and what stands in its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.test_experiments_file import GOOD
from tests.mos_cli.mos_runs import Mos


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_shown(mos: Mos, file: Path) -> None:
    answer = mos("experiments", "validate", str(file))
    assert answer.status == 0
    words = answer.out.split()
    assert {"online-routing", "(control)", "9.9%", "19.8%"} <= set(words)


def test_an_arm_whose_model_there_is_not_is_told(mos: Mos, file: Path) -> None:
    file.write_text(GOOD.replace("weight: 2", "weight: 2, model: candidate"))
    answer = mos("experiments", "validate", str(file))
    assert answer.status == 2
    assert "the arm online of online-routing has no model: no model of" in answer.err
