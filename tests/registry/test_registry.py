"""One pointer, replaced in one step."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from mos_online.errors import ModelError
from mos_online.registry.registry import KEPT, Registry


def model(folder: Path, version: str) -> Path:
    made = folder / f"draft-{version}"
    made.mkdir(parents=True)
    (made / "config.json").write_text(json.dumps({"version": version, "other": 1}))
    return made


def test_published_is_in_service_and_older_ones_can_come_back(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert registry.versions() == []
    for version in ("m-1", "m-2"):
        assert registry.publish(model(tmp_path, version)) == version
        assert registry.current().name == version
    registry.use("m-1")
    assert registry.current().name == "m-1"
    assert registry.versions() == ["m-2", "m-1"]
    with pytest.raises(ModelError, match="m-2, m-1"):
        registry.use("m-3")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    names = [f"m-{n}" for n in range(KEPT + 3)]
    for name in names:
        registry.publish(model(tmp_path, name))
    assert registry.versions() == names[::-1][:KEPT]


@pytest.mark.parametrize("version", ["", "../up", "a/b", ".hidden"])
def test_a_version_is_a_plain_name(tmp_path: Path, version: str) -> None:
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"version": version}))
    with pytest.raises(ModelError, match="plain name"):
        Registry(tmp_path / "models").publish(folder)


def test_no_model_yet_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mos train"):
        Registry(tmp_path).current()
    with pytest.raises(ModelError, match="holds no model"):
        Registry(tmp_path).publish(tmp_path)


def test_readers_never_see_a_gap(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    drafts = [model(tmp_path, f"m-{n}") for n in range(2)]
    registry.publish(drafts[0])
    seen: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append((Registry(tmp_path / "models").current() / "config.json").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(60):
        registry.publish(drafts[n % 2])
    done.set()
    reader.join()
    assert {json.loads(text)["version"] for text in seen} <= {"m-0", "m-1"}
    assert seen


def test_a_published_model_is_a_copy(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    draft = model(tmp_path, "m-1")
    registry.publish(draft)
    (draft / "config.json").write_text("{}")
    assert json.loads((registry.current() / "config.json").read_text())["version"] == "m-1"


def test_publishing_again_what_is_there_puts_it_back_into_service(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    first, second = model(tmp_path, "m-1"), model(tmp_path, "m-2")
    for folder in (first, second, first):
        registry.publish(folder)
    assert registry.current().name == "m-1"
    assert registry.versions() == ["m-1", "m-2"]


def test_a_failed_publish_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path / "models")
    registry.publish(model(tmp_path, "m-1"))

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("mos_online.registry.registry.shutil.copytree", full)
    with pytest.raises(OSError, match="no space"):
        registry.publish(model(tmp_path, "m-2"))
    assert registry.current().name == "m-1"
    assert [path.name for path in (tmp_path / "models" / "versions").iterdir()] == ["m-1"]


@pytest.mark.parametrize("pointer", ["", "m-9", "../models", ".."])
def test_a_damaged_pointer_is_an_error(tmp_path: Path, pointer: str) -> None:
    registry = Registry(tmp_path / "models")
    registry.publish(model(tmp_path, "m-1"))
    (tmp_path / "models" / "current").write_text(pointer)
    with pytest.raises(ModelError, match="mos train"):
        registry.current()
    registry.use("m-1")
    assert registry.current().name == "m-1"
