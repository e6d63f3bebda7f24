"""`mos models` with real models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mos_online.model.checkpoint import Checkpoint
from mos_online.registry import Aliases, Registry, open_registry
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from mos_online.training import TrainConfig, train
from simulator.population import SyntheticConfig, synthesize
from tests.mos_cli.mos_runs import Mos


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, list[str]]:
    """Two models, the second only a candidate."""
    log = synthesize(SyntheticConfig(users=60, themes=3, items_per_theme=12, themes_per_user=2, days=10))
    registry = Registry(tmp_path_factory.mktemp("models"))
    versions = []
    for seed in (0, 1):
        config = TrainConfig(themes=3, width=8, minutes=0.02, epochs=1, examples=300, threads=1, seed=seed)
        report = train(
            log.events.head(3000),
            log.items,
            registry,
            sessions=SessionConfig(),
            config=config,
            name="planted",
            on_progress=lambda *_: None,
            promote=seed == 0,
        )
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
            registry.promote(version)
    return registry, first, second


def test_training_promotes_or_leaves_a_candidate(trained: tuple[Registry, list[str]]) -> None:
    registry, (first, second) = trained
    assert registry.aliases() == Aliases(champion=first, candidate=second)
    metrics = registry.manifest(second).metrics
    assert {"hit_rate_at_10", "ndcg_at_10", "popularity_ndcg_at_10", "knn_hit_rate_at_10"} <= metrics.keys()


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


@pytest.mark.parametrize("fault", ["weights that are no numbers", "a damaged file"])
def test_a_model_that_cannot_serve_is_not_promoted(
    fault: str, mos: Mos, models: tuple[Registry, str, str], tmp_path: Path
) -> None:
    registry, first, second = models
    if fault == "a damaged file":
        (registry.fetch(second) / "router.json").write_text("{}")
    else:
        checkpoint = Checkpoint.from_pretrained(registry.fetch(second))
        next(checkpoint.model.parameters()).data.fill_(float("nan"))
        checkpoint.save_pretrained(tmp_path / "nan", "# nan")
        document = json.loads((tmp_path / "nan" / "config.json").read_text()) | {"version": "m-nan"}
        (tmp_path / "nan" / "config.json").write_text(json.dumps(document))
        registry.add(tmp_path / "nan")
    answer = mos("models", "promote", "candidate")
    assert answer.status == 2
    assert ("router.json" if fault == "a damaged file" else "no finite numbers") in answer.err
    assert "Traceback" not in answer.err
    assert registry.aliases().champion == first


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
