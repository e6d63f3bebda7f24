"""What is asked of a plan."""

from __future__ import annotations

import pytest

from evaluation.static.plan import Task, Wanted, quick
from mos_online.errors import SettingsError


def wanted(
    datasets: tuple[str, ...] = (),
    backbones: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
    seeds: int | None = None,
) -> list[Task]:
    return Wanted(datasets=datasets, backbones=backbones, models=models, seeds=seeds).of(quick()).tasks


def test_nothing_asked_is_everything() -> None:
    assert wanted() == quick().tasks


def test_names_restrict_the_plan_and_seeds_replace_its_own() -> None:
    tasks = wanted(datasets=("movielens_100k",), models=("mos", "popularity"), seeds=3)
    assert {(task.dataset, task.model, task.seeds) for task in tasks} == {
        ("movielens_100k", "mos", 3),
        ("movielens_100k", "popularity", 3),
    }


def test_all_three_names_go_beyond_the_plan() -> None:
    tasks = wanted(("mine",), ("sasrec", "din"), ("mos",))
    assert [(task.dataset, task.backbone, task.model, task.seeds) for task in tasks] == [
        ("mine", "sasrec", "mos", 5),
        ("mine", "din", "mos", 5),
    ]


def test_what_the_plan_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="give all three to go beyond it"):
        wanted(datasets=("nowhere",))
