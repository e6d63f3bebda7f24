"""Without the extra, every verb that draws figures says how to install it, and does nothing else."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from tests.mos_cli.mos_runs import Mos


@pytest.mark.parametrize(
    "verb",
    [["demo"], ["evaluate", "--plan", "quick"], ["analyze", "hopping", "--dataset", "synthetic"]],
    ids=lambda verb: verb[0],
)
def test_a_missing_extra_is_named(mos: Mos, verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without_matplotlib(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "matplotlib" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_matplotlib)
    answer = mos(*verb)
    assert answer.status == 2
    assert "pip install 'mos-online[evaluation]'" in answer.err
    assert "matplotlib" in answer.err
    assert not answer.out
