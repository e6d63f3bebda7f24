"""Versions and aliases, the same on every kind of filesystem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mos_online.errors import ModelError, RegistryError, SettingsError
from mos_online.registry import Aliases, Registry
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.registry import KEPT_VERSIONS
from mos_online.registry.storage import Storage
from tests.model_folder import put_into_service, unchecked, write_config
from tests.registry.crashing import model, registry_at


def test_a_candidate_waits_until_it_is_promoted(registry: Registry, tmp_path: Path) -> None:
    assert registry.add(model(tmp_path, "m-1")) == "m-1"
    assert registry.aliases() == Aliases(candidate="m-1")
    with pytest.raises(ModelError, match="mos models promote candidate"):
        registry.champion()
    assert registry.promote("candidate", unchecked) == "m-1"
    assert registry.aliases() == Aliases(champion="m-1")
    registry.add(model(tmp_path, "m-2"))
    assert registry.aliases() == Aliases(champion="m-1", candidate="m-2")
    assert registry.fetch("champion").joinpath("model.safetensors").read_bytes() == b"m-1" * 50
    registry.promote("m-2", unchecked)
    assert registry.aliases() == Aliases(champion="m-2", previous="m-1")
    assert registry.fetch("champion").joinpath("model.safetensors").read_bytes() == b"m-2" * 50
    assert registry.versions() == ["m-2", "m-1"]
    assert registry.aliases().of("m-1") == ["previous"]


def test_rolling_back_and_forth(registry: Registry, tmp_path: Path) -> None:
    put_into_service(registry, model(tmp_path, "m-1"))
    with pytest.raises(ModelError, match="is the previous"):
        registry.rollback(unchecked)
    put_into_service(registry, model(tmp_path, "m-2"))
    registry.add(model(tmp_path, "m-3"))
    assert registry.rollback(unchecked) == "m-1"
    assert registry.aliases() == Aliases(champion="m-1", previous="m-2", candidate="m-3")
    assert registry.rollback(unchecked) == "m-2"
    assert registry.aliases() == Aliases(champion="m-2", previous="m-1", candidate="m-3")


def test_promoting_the_champion_again_keeps_the_previous_and_is_seen(registry: Registry, tmp_path: Path) -> None:
    for version in ("m-1", "m-2"):
        put_into_service(registry, model(tmp_path, version))
    revision, _ = registry.champion()
    registry.promote("champion", unchecked)
    assert registry.aliases() == Aliases(champion="m-2", previous="m-1")
    assert registry.champion()[0] != revision


def test_only_the_newest_are_kept_and_those_with_an_alias(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**9, 2 * 10**9))
    monkeypatch.setattr("mos_online.registry.manifest.time.time_ns", lambda: next(clock) * 1_000_000)
    for number in (1, 2):
        put_into_service(registry, model(tmp_path, f"m-{number}"))
    for number in range(3, 12):
        registry.add(model(tmp_path, f"m-{number:02d}"))
    newest = [f"m-{number:02d}" for number in range(11, 11 - KEPT_VERSIONS, -1)]
    assert registry.versions() == [*newest, "m-2", "m-1"]
    assert registry.rollback(unchecked) == "m-1"
    registry.fetch("champion")


def test_age_is_what_the_manifest_says_not_the_time_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path / "models")
    clock = iter(range(10**9, 2 * 10**9))
    monkeypatch.setattr("mos_online.registry.manifest.time.time_ns", lambda: next(clock) * 1_000_000)
    for number in range(1, KEPT_VERSIONS + 1):
        registry.add(model(tmp_path, f"m-{number}"))
    for path in (tmp_path / "models" / "versions" / "m-1").iterdir():
        path.touch()
    registry.add(model(tmp_path, "m-9"))
    assert "m-1" not in registry.versions()
    assert "m-2" in registry.versions()


def test_adding_what_is_there_copies_nothing(registry: Registry, place: Storage, tmp_path: Path) -> None:
    folder = model(tmp_path, "m-1")
    put_into_service(registry, folder)
    before = place.read("versions/m-1/manifest.json")
    registry.add(folder)
    assert place.read("versions/m-1/manifest.json") == before
    assert registry.aliases() == Aliases(champion="m-1", candidate="m-1")


def test_adding_a_damaged_version_again_mends_it(registry: Registry, place: Storage, tmp_path: Path) -> None:
    folder = model(tmp_path, "m-1")
    put_into_service(registry, folder)
    place.write("versions/m-1/model.safetensors", b"half")
    for path in (tmp_path / "cache").glob("[!.]*"):
        (path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"model.safetensors is not what was added"):
        registry.fetch("champion")
    put_into_service(registry, folder)
    assert registry.fetch("champion").joinpath("model.safetensors").read_bytes() == b"m-1" * 50


def test_a_damaged_version_does_not_go_into_service(registry: Registry, place: Storage, tmp_path: Path) -> None:
    for version in ("m-1", "m-2"):
        put_into_service(registry, model(tmp_path, version))
    registry.add(model(tmp_path, "m-3"))
    before = registry.champion()
    for version in ("m-1", "m-3"):
        place.write(f"versions/{version}/model.safetensors", b"half")
        for path in (tmp_path / "cache").glob(f"{version}-*"):
            (path / "model.safetensors").write_bytes(b"half")
    for version in ("previous", "candidate", "m-3"):
        with pytest.raises(ModelError, match=r"model\.safetensors is not what was added"):
            registry.promote(version, unchecked)
    with pytest.raises(ModelError, match=r"model\.safetensors is not what was added"):
        registry.rollback(unchecked)
    assert registry.champion() == before


def test_a_version_that_the_check_refuses_does_not_go_into_service(registry: Registry, tmp_path: Path) -> None:
    for version in ("m-1", "m-2"):
        put_into_service(registry, model(tmp_path, version))
    registry.add(model(tmp_path, "m-3"))
    before = registry.aliases()
    seen: list[str] = []

    def refuse(folder: Path) -> None:
        seen.append(json.loads((folder / "config.json").read_text())["version"])
        raise ModelError("of a test")

    with pytest.raises(ModelError, match="of a test"):
        registry.promote("m-3", refuse)
    with pytest.raises(ModelError, match="of a test"):
        registry.rollback(refuse)
    assert seen == ["m-3", "m-1"]
    assert registry.aliases() == before


def test_a_version_is_a_copy(registry: Registry, tmp_path: Path) -> None:
    folder = model(tmp_path, "m-1")
    put_into_service(registry, folder)
    (folder / "config.json").write_text("{}")
    assert json.loads((registry.fetch("m-1") / "config.json").read_text())["version"] == "m-1"


def test_the_manifest_describes_the_version(registry: Registry, tmp_path: Path) -> None:
    folder = model(tmp_path, "m-1", router_version="r-7")
    registry.add(folder, metrics={"ndcg_at_10": 0.25})
    manifest = registry.manifest("candidate")
    assert (manifest.version, manifest.format, manifest.router_version) == ("m-1", 4, "r-7")
    assert manifest.metrics == {"ndcg_at_10": 0.25}
    assert {name: file.size for name, file in manifest.files.items()} == {
        path.name: path.stat().st_size for path in folder.iterdir()
    }


def test_the_hash_is_of_the_model_and_not_of_its_card(registry: Registry, tmp_path: Path) -> None:
    folder = model(tmp_path, "m-1")
    registry.add(folder)
    digest = registry.manifest("m-1").digest
    (folder / "card.md").write_text("other words")
    registry.add(folder)
    assert registry.manifest("m-1").digest == digest
    for name in ("model.safetensors", "config.json"):
        other = model(tmp_path / name, "m-2" if name == "model.safetensors" else "m-3")
        registry.add(other)
        assert registry.manifest("candidate").digest != digest


def test_what_is_not_there_is_said_with_what_is(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mos train"):
        registry.champion()
    for nothing in ("candidate", "previous"):
        with pytest.raises(ModelError, match="mos models list"):
            registry.fetch(nothing)
    registry.add(model(tmp_path, "m-1"))
    for unknown in ("m-2", "../m-1", "", "m-1/"):
        with pytest.raises(ModelError, match="there are: m-1"):
            registry.promote(unknown, unchecked)


@pytest.mark.parametrize("version", ["", "../up", "a/b", ".hidden", "x" * 101, "champion", "previous"])
def test_a_version_is_a_plain_name(tmp_path: Path, version: str) -> None:
    folder = write_config(tmp_path / "draft", version)
    with pytest.raises(ModelError, match="plain name"):
        Registry(tmp_path / "models").add(folder)
    assert not (tmp_path / "models").exists()


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    with pytest.raises(ModelError, match=r"config.json"):
        registry.add(tmp_path)
    folder = model(tmp_path, "m-1")
    (folder / "more").mkdir()
    with pytest.raises(ModelError, match="more cannot be part of a model"):
        registry.add(folder)


@pytest.mark.parametrize("key", ["format", "router_version", "recent", "theme_ring", "half_life_ms"])
def test_a_configuration_without_a_key_is_refused(tmp_path: Path, key: str) -> None:
    folder = model(tmp_path, "m-1")
    document = json.loads((folder / "config.json").read_text())
    del document[key]
    (folder / "config.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=rf"{key}.*mos train"):
        Registry(tmp_path / "models").add(folder)


def test_a_registry_of_before_says_to_train_again(place: Storage, registry: Registry, tmp_path: Path) -> None:
    place.write("current", b"m-0\n")
    place.write("versions/m-0/config.json", b"{}")
    with pytest.raises(ModelError, match=r"older version of MoS Online.*mos train"):
        registry.champion()
    put_into_service(registry, model(tmp_path, "m-1"))
    assert registry.champion()[1] == "m-1"
    assert place.names("versions/m-0") == ["config.json"]  # what is not ours is left alone


def test_damaged_aliases_are_one_clear_line_and_promote_mends_them(
    registry: Registry, place: Storage, tmp_path: Path
) -> None:
    for version in ("m-1", "m-2"):
        put_into_service(registry, model(tmp_path, version))
    newest = place.names("aliases")[-1]
    for content in (b"", b'{"champion": "m-1"}', b"\xff\x00"):
        place.write(f"aliases/{newest[:8]}.json", content)
        fresh = registry_at(place, tmp_path / "cache")
        for action in (fresh.champion, lambda: fresh.rollback(unchecked), lambda: fresh.fetch("champion")):  # noqa: B023
            with pytest.raises(ModelError, match=r"aliases.*damaged.*mos models promote VERSION") as raised:
                action()
            assert "\n" not in str(raised.value)
    with pytest.raises(ModelError, match="m-3 is stored but is no candidate"):
        fresh.add(model(tmp_path, "m-3"))
    assert fresh.promote("m-3", unchecked) == "m-3"
    assert registry_at(place, tmp_path / "cache").aliases() == Aliases(champion="m-3")


def test_aliases_whose_file_is_lost(registry: Registry, place: Storage, tmp_path: Path) -> None:
    put_into_service(registry, model(tmp_path, "m-1"))
    place.delete(f"aliases/{place.names('aliases')[-1][:8]}.json")
    with pytest.raises(ModelError, match=r"is missing.*mos models promote"):
        registry_at(place, tmp_path / "cache").champion()


def test_a_registry_that_was_begun_anew_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    place = LocalStorage(tmp_path / "models")
    reader = Registry(place)
    put_into_service(Registry(place), model(tmp_path, "m-1"))
    assert reader.champion()[1] == "m-1"
    (tmp_path / "models").rename(tmp_path / "gone")
    put_into_service(Registry(place), model(tmp_path, "m-2"))
    assert reader.champion()[1] == "m-2"


def test_few_revisions_of_the_aliases_stay(registry: Registry, place: Storage, tmp_path: Path) -> None:
    put_into_service(registry, model(tmp_path, "m-1"))
    for _ in range(30):
        registry.promote("m-1", unchecked)
    assert len(place.names("aliases")) == 20
    assert registry.champion()[1] == "m-1"


def test_a_remote_registry_needs_a_cache() -> None:
    with pytest.raises(SettingsError, match="needs a folder"):
        Registry("memory://nowhere")


def test_a_registry_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(RegistryError, match=r"models cannot be (written|listed).*MOS_MODELS"):
        Registry(tmp_path / "models").add(model(tmp_path, "m-1"))
