"""`mos models` with real models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from rich.console import Console

from mos_cli.train.run import train_and_show
from mos_online.errors import DatasetError, ModelError
from mos_online.model.checkpoint import ModelCheckpoint
from mos_online.recommend.probe import check_model
from mos_online.registry import Aliases, Registry, open_registry
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from mos_online.training import TrainConfig, TrainReport, train
from simulator.population import SyntheticConfig, synthesize
from tests.model_folder import unchecked
from tests.mos_cli.mos_runs import Mos

POPULATION = SyntheticConfig(users=60, themes=3, items_per_theme=12, themes_per_user=2, days=10)
CONFIG = TrainConfig(themes=3, width=8, minutes=0.02, epochs=1, examples=300, threads=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, list[str]]:
    """Two models, the second only a candidate."""
    log = synthesize(POPULATION)
    registry = Registry(tmp_path_factory.mktemp("models"))
    versions = []
    for seed in (0, 1):
        report = train(
            log.events.head(3000),
            log.items,
            registry,
            sessions=SessionConfig(),
            config=replace(CONFIG, seed=seed),
            name="planted",
            on_progress=lambda *_: None,
        )
        if seed == 0:
            registry.promote(report.version, check_model)
        versions.append(report.version)
    return registry, versions


@pytest.fixture
def models(trained: tuple[Registry, list[str]], mos_home: Settings) -> tuple[Registry, str, str]:
    """The registry of MOS_HOME with the two: champion and candidate."""
    made, (first, second) = trained
    registry = open_registry(mos_home)
    for version in (first, second):
        registry.add(made.fetch(version), metrics=made.manifest(version).metrics)
        if version == first:
            registry.promote(version, check_model)
    return registry, first, second


def test_training_adds_a_candidate_with_its_metrics(trained: tuple[Registry, list[str]]) -> None:
    registry, (first, second) = trained
    assert registry.aliases() == Aliases(champion=first, candidate=second)
    metrics = registry.manifest(second).metrics
    assert {
        "hit_rate_at_10",
        "ndcg_at_10",
        "popularity_ndcg_at_10",
        "item-knn_hit_rate_at_10",
        "vmis-knn_hit_rate_at_10",
    } <= metrics.keys()


def test_list_shows_versions_with_aliases_and_figures(mos: Mos, models: tuple[Registry, str, str]) -> None:
    registry, first, second = models
    answer = mos("models", "list")
    lines = {words[0]: line for line in answer.out.splitlines() if (words := line.split()) and words[0][:2] == "m-"}
    assert list(lines) == [second, first]
    assert "champion" in lines[first]
    assert "candidate" in lines[second]
    assert f"{registry.manifest(first).metrics['ndcg_at_10']:.4f}" in lines[first]


def test_an_empty_registry_is_an_empty_list(mos: Mos, mos_home: Settings) -> None:
    answer = mos("models", "list")
    assert answer.status == 0
    assert str(mos_home.home / "models") in answer.out


def test_a_damaged_manifest_is_listed_as_such(mos: Mos, models: tuple[Registry, str, str]) -> None:
    registry, first, _ = models
    (registry.fetch(first) / "manifest.json").write_text("{")
    assert "its manifest is damaged" in mos("models", "list").out


def test_show_takes_an_alias_and_prints_the_card(mos: Mos, models: tuple[Registry, str, str]) -> None:
    registry, first, _ = models
    answer = mos("models", "show", "champion")
    assert answer.status == 0
    for fact in (first, "champion", registry.manifest(first).digest, "model.safetensors", "Limits: one seed"):
        assert fact in answer.out


def test_compare_shows_both_sides(mos: Mos, models: tuple[Registry, str, str]) -> None:
    registry, first, second = models
    answer = mos("models", "compare", "champion", "candidate")
    assert answer.status == 0
    for words in ("figures", "data", "config", "themes", "planted"):
        assert words in answer.out
    ndcg = [f"{registry.manifest(version).metrics['ndcg_at_10']:.4f}" for version in (first, second)]
    assert [line.split()[1:] for line in answer.out.splitlines() if line.split()[:1] == ["ndcg_at_10"]] == [ndcg]
    assert [line.split()[1:] for line in answer.out.splitlines() if line.split()[:1] == ["seed"]] == [["0", "1"]]
    label = json.loads((registry.fetch(first) / "router.json").read_text())["labels"][1]
    assert label in answer.out


def test_promote_and_rollback(mos: Mos, models: tuple[Registry, str, str]) -> None:
    registry, first, second = models
    answer = mos("models", "promote", "candidate")
    assert answer.status == 0
    assert f"in service: {second} (before: {first}" in answer.out
    assert registry.aliases() == Aliases(champion=second, previous=first)
    assert f"in service: {first}" in mos("models", "rollback").out
    assert registry.aliases() == Aliases(champion=first, previous=second)


def test_rolling_back_without_a_previous_version(mos: Mos, models: tuple[Registry, str, str]) -> None:
    answer = mos("models", "rollback")
    assert answer.status == 2
    assert "is the previous" in answer.err


def test_an_unknown_version_lists_what_there_is(mos: Mos, models: tuple[Registry, str, str]) -> None:
    answer = mos("models", "promote", "m-00000000")
    assert answer.status == 2
    assert models[1] in answer.err


def without_numbers(registry: Registry, version: str, folder: Path) -> Path:
    """The folder of a model, whole by its files, whose weights are not numbers; its version is m-nan."""
    checkpoint = ModelCheckpoint.from_pretrained(registry.fetch(version))
    next(checkpoint.model.parameters()).data.fill_(float("nan"))
    checkpoint.save_pretrained(folder, "# nan")
    document = json.loads((folder / "config.json").read_text()) | {"version": "m-nan"}
    (folder / "config.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("command", [("promote", "candidate"), ("rollback",)])
@pytest.mark.parametrize("fault", ["weights that are no numbers", "a damaged file"])
def test_a_model_that_cannot_serve_does_not_go_into_service(
    fault: str, command: tuple[str, ...], mos: Mos, models: tuple[Registry, str, str], tmp_path: Path
) -> None:
    registry, first, second = models
    if fault != "a damaged file":
        second = registry.add(without_numbers(registry, second, tmp_path / "nan"))
    if command == ("rollback",):
        for version in (second, first):
            registry.promote(version, unchecked)
        assert registry.aliases().previous == second
    if fault == "a damaged file":
        (registry.fetch(second) / "router.json").write_text("{}")
    before = registry.aliases()
    answer = mos("models", *command)
    assert answer.status == 2
    assert ("router.json" if fault == "a damaged file" else "no finite numbers") in answer.err
    assert "Traceback" not in answer.err
    assert registry.aliases() == before


def test_a_trained_model_that_cannot_serve_stays_the_candidate(
    models: tuple[Registry, str, str], mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, first, second = models
    folder = without_numbers(registry, second, tmp_path / "nan")

    def train_badly(events: pl.DataFrame, items: pl.DataFrame, registry: Registry, **options: Any) -> TrainReport:
        report = train(events, items, registry, **options)
        return msgspec.structs.replace(report, version=registry.add(folder))

    log = synthesize(POPULATION)
    monkeypatch.setattr("mos_cli.train.run.train", train_badly)
    with pytest.raises(ModelError, match="no finite numbers"):
        train_and_show(log, name="planted", config=CONFIG, settings=mos_home, console=Console(quiet=True))
    assert registry.aliases() == Aliases(champion=first, candidate="m-nan")


def test_training_by_ids_of_the_publisher_needs_them(mos_home: Settings) -> None:
    log = synthesize(POPULATION)
    none = replace(log, events=log.events.with_columns(session_id=pl.lit(None, pl.String)))
    by_ids = mos_home.model_copy(update={"session_publisher_ids": True})
    with pytest.raises(DatasetError, match="no event of synthetic has a session_id"):
        train_and_show(none, name="planted", config=CONFIG, settings=by_ids, console=Console(quiet=True))


@pytest.mark.parametrize("promote", [True, False])
def test_a_trained_model_goes_into_service_if_it_shall(
    promote: bool, models: tuple[Registry, str, str], mos_home: Settings
) -> None:
    registry, first, _ = models
    config, quiet = replace(CONFIG, seed=2), Console(quiet=True)
    made = train_and_show(
        synthesize(POPULATION), name="planted", config=config, settings=mos_home, console=quiet, promote=promote
    ).version
    expected = Aliases(champion=made, previous=first) if promote else Aliases(champion=first, candidate=made)
    assert registry.aliases() == expected


def test_models_may_be_shared_by_url(
    mos: Mos, trained: tuple[Registry, list[str]], mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, (first, _) = trained
    shared = mos_home.model_copy(update={"models": "memory://cli/models"})
    open_registry(shared).add(registry.fetch(first))
    monkeypatch.setenv("MOS_MODELS", "memory://cli/models")
    assert f"in service: {first}" in mos("models", "promote", "candidate").out
    assert first in mos("models", "show", "champion").out


def test_a_missing_package_is_one_line(mos: Mos, mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOS_MODELS", "s3://bucket/models")
    answer = mos("models", "list")
    assert answer.status == 2
    assert "pip install s3fs" in answer.err
