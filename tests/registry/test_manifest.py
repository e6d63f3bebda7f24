"""A version is what was added, to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.errors import ModelError
from mos_online.registry import Manifest, Registry
from mos_online.registry.manifest import describe
from tests.model_folder import put_into_service
from tests.registry.crashing import model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a version in service."""
    registry = Registry(tmp_path / "models")
    put_into_service(registry, model(tmp_path, "m-1"))
    return registry.fetch("champion")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"m-1" * 49), "model.safetensors is not what was"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"m-2" * 50), "model.safetensors is not what was"),
        (lambda folder: (folder / "card.md").write_text("better"), "card.md is not what was added"),
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json is not what was added"),
        (lambda folder: (folder / "extra.bin").write_bytes(b"?"), r"extra.bin was not added with it; delete it"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing|there are: none"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "manifest.json is damaged"),
    ],
)
def test_every_damage_is_found_and_named(folder: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=says):
        Registry(folder.parents[1]).fetch("champion")


def test_what_the_operating_system_puts_there_is_no_damage(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"")
    Registry(folder.parents[1]).fetch("champion")


def test_a_manifest_that_was_edited_is_found(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    document["files"]["model.safetensors"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"manifest.json is damaged"):
        Registry(folder.parents[1]).fetch("champion")


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", ".hidden"])
def test_no_manifest_reaches_outside_its_folder(tmp_path: Path, name: str) -> None:
    from mos_online.registry.manifest import digest

    good = describe(model(tmp_path, "m-1"), {})
    files = {name: good.files["card.md"]}
    bad = json.loads(good.encode()) | {"files": {name: {"size": 1, "sha256": ""}}, "digest": digest(files)}
    with pytest.raises(ModelError, match="damaged"):
        Manifest.decode(json.dumps(bad).encode(), "manifest.json")


def test_the_manifest_of_another_version_is_found(folder: Path, tmp_path: Path) -> None:
    registry = Registry(folder.parents[1])
    registry.add(model(tmp_path, "m-2"))
    (folder / "manifest.json").write_bytes((folder.parent / "m-2" / "manifest.json").read_bytes())
    with pytest.raises(ModelError, match=r"manifest.json is that of model m-2"):
        registry.fetch("m-1")


@given(cut=st.integers(0, 500))
def test_no_part_of_a_manifest_is_taken_for_the_whole(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = describe(model(tmp_path_factory.getbasetemp() / "cut", "m-1"), {"a": 1.0}).encode()
    part = whole[: min(cut, len(whole.rstrip()) - 1)]
    with pytest.raises(ModelError, match="damaged"):
        Manifest.decode(part, "manifest.json")
    assert Manifest.decode(whole, "manifest.json").version == "m-1"
