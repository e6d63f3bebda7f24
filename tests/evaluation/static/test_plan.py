"""What is asked of a plan."""

from __future__ import annotations

import pytest

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.report.opening import COLUMNS
from evaluation.static.plan import (
    COUNTED,
    COUNTING,
    OURS,
    REAL,
    REFERENCE,
    SERVED,
    Task,
    Wanted,
    full,
    opening,
    quick,
)
from mos_online.errors import SettingsError
from mos_online.model import MoSConfig


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


def test_a_model_that_another_fit_scores_too_is_found_by_its_name_and_fitted_once() -> None:
    nothing: list[str] = []
    asked = Wanted(datasets=["movielens_100k"], backbones=nothing, models=[OURS], seeds=None).of(full()).tasks
    assert [(task.backbone, task.model) for task in asked] == [(REFERENCE, SERVED)]
    beyond = wanted(("mine",), (REFERENCE,), (OURS, SERVED))
    assert [task.model for task in beyond] == [SERVED]


def test_all_three_names_go_beyond_the_plan() -> None:
    tasks = wanted(("mine",), ("sasrec", "din"), ("mos",))
    assert [(task.dataset, task.backbone, task.model, task.seeds) for task in tasks] == [
        ("mine", "sasrec", "mos", 5),
        ("mine", "din", "mos", 5),
    ]


def test_those_who_count_have_a_backbone_of_their_own() -> None:
    tasks = wanted(("mine",), (REFERENCE, COUNTING), (OURS, "popularity"))
    assert {(task.backbone, task.model) for task in tasks} == {(REFERENCE, OURS), (COUNTING, "popularity")}


def test_a_log_that_the_plan_does_not_have_gets_what_opens_the_report() -> None:
    tasks = wanted(datasets=("mine", "movielens_100k"))
    assert [task for task in tasks if task.dataset == "mine"] == [*opening(["mine"])]
    assert {task.dataset for task in tasks} == {"mine", "movielens_100k"}
    assert {task.model for task in wanted(("mine",), (), (OURS,), 2)} == {SERVED}


def test_what_the_plan_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="give all three to go beyond it"):
        wanted(datasets=("mine",), backbones=("din",))
    with pytest.raises(SettingsError, match="have the backbone counting"):
        wanted(("mine",), (REFERENCE,), ("popularity",))


def test_every_model_of_the_plans_can_be_built_on_its_backbone() -> None:
    tasks = [task for task in (*full().tasks, *quick().tasks) if task.model not in COUNTED]
    for backbone, model in sorted({(task.backbone, task.model) for task in tasks}):
        CANDIDATE_MODELS[model].make(MoSConfig(backbone=backbone, items=50, categories=5, themes=8, width=32, table=16))


def test_no_cell_of_the_opening_table_is_missing_from_the_full_plan() -> None:
    planned = {(task.dataset, task.backbone, task.model) for task in full().tasks}
    shown = [(column.backbone, column.model) for column in COLUMNS] + [(REFERENCE, OURS)]
    scored = planned | {
        (dataset, backbone, alone)
        for dataset, backbone, model in planned
        if model in CANDIDATE_MODELS and (alone := CANDIDATE_MODELS[model].alone)
    }
    assert {(dataset, *one) for dataset in REAL for one in shown} <= scored


def test_no_task_is_planned_twice() -> None:
    names = [(task.dataset, task.backbone, task.model) for task in full().tasks]
    assert len(names) == len(set(names))
