from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import feast
import pytest
from feast.types import String

from features import definitions, repository
from features.location import parse_location
from features.repository import is_applied
from features.store import OnlineStore
from mos_online.errors import SettingsError, StoreError
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

ANN = UserProfile(user_id="ann", router_epoch="r1")
SQLITE = parse_location("sqlite")


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each `feast apply`."""
    calls: list[str] = []
    apply = feast.FeatureStore.apply

    def counted(self: feast.FeatureStore, *args: object, **kwargs: object) -> None:
        calls.append(self.project)
        apply(self, *args, **kwargs)

    monkeypatch.setattr(feast.FeatureStore, "apply", counted)
    return calls


def test_many_open_at_once_and_one_applies(mos_home: Settings, applied: list[str]) -> None:
    assert not is_applied(mos_home.feast_dir, SQLITE)
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(OnlineStore.open, [mos_home] * 6))
    assert applied == ["mos_online"]
    assert is_applied(mos_home.feast_dir, SQLITE)
    stores[0].write_profiles([ANN])
    assert all(store.read_profiles(["ann"]) == {"ann": ANN} for store in stores)


@pytest.mark.slow
def test_a_process_that_starts_later_finds_them_applied(mos_home: Settings, applied: list[str]) -> None:
    """Feast notes when each process has made its definitions."""
    apply = "import sys; from features.store import OnlineStore; from mos_online.settings import Settings\n"
    subprocess.run([sys.executable, "-c", apply + "OnlineStore.open(Settings.load()).close()"], check=True)
    assert is_applied(mos_home.feast_dir, SQLITE)
    OnlineStore.open(mos_home).close()
    assert applied == []


def test_other_definitions_are_applied_and_rows_stay(mos_home: Settings, applied: list[str]) -> None:
    OnlineStore.open(mos_home).write_profiles([ANN])
    (mos_home.feast_dir / "applied.sha256").write_bytes(b"\xff definitions of last year")
    assert OnlineStore.open(mos_home).read_profiles(["ann"]) == {"ann": ANN}
    assert len(applied) == 2


def test_a_view_that_has_grown_is_applied_and_rows_stay(mos_home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    younger = feast.FeatureView(
        name="user_state",
        entities=[definitions.user],
        source=definitions.user_state.stream_source,
        schema=[feast.Field(name="user_id", dtype=String), *definitions.user_state.features[:-1]],
    )
    with monkeypatch.context() as then:
        then.setattr(repository, "DEFINITIONS", (definitions.user, younger, definitions.item_popularity))
        repository.open_repository(mos_home.feast_dir, SQLITE)
        assert is_applied(mos_home.feast_dir, SQLITE)
    assert not is_applied(mos_home.feast_dir, SQLITE)
    store = OnlineStore.open(mos_home)
    store.write_profiles([ANN])
    view = feast.FeatureStore(repo_path=str(mos_home.feast_dir)).get_feature_view("user_state")
    assert [field.name for field in view.features] == [field.name for field in definitions.user_state.features]
    assert store.read_profiles(["ann"]) == {"ann": ANN}


@pytest.mark.parametrize("lost", ["online_store.db", "registry.db", "feature_store.yaml"])
def test_a_lost_file_is_made_anew(mos_home: Settings, lost: str) -> None:
    OnlineStore.open(mos_home).close()
    (mos_home.feast_dir / lost).unlink()
    store = OnlineStore.open(mos_home)
    store.write_profiles([ANN])
    assert store.read_profiles(["ann"]) == {"ann": ANN}


@pytest.mark.parametrize("content", [b"", b"\xff" * 100], ids=["emptied", "overwritten"])
def test_a_damaged_registry_is_one_readable_error(mos_home: Settings, content: bytes) -> None:
    OnlineStore.open(mos_home).close()
    (mos_home.feast_dir / "registry.db").write_bytes(content)
    with pytest.raises(StoreError, match="it may also be deleted, then run `mos backfill`"):
        OnlineStore.open(mos_home)


def test_another_store_rewrites_the_configuration(mos_home: Settings) -> None:
    OnlineStore.open(mos_home).close()
    elsewhere = mos_home.model_copy(update={"store": "redis://:pass,$HOME@cache:6380/1"})
    OnlineStore.open(elsewhere).close()  # works while nobody answers there
    assert not is_applied(mos_home.feast_dir, SQLITE)
    config = feast.FeatureStore(repo_path=str(mos_home.feast_dir)).config.online_store
    assert config.connection_string.startswith("cache:6380,db=1,")


def test_only_the_owner_reads_the_configuration(mos_home: Settings) -> None:
    OnlineStore.open(mos_home).close()
    mode = (mos_home.feast_dir / "feature_store.yaml").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_an_unusable_folder_is_one_readable_error(mos_home: Settings) -> None:
    mos_home.home.mkdir(parents=True)
    mos_home.feast_dir.write_text("a file, not a folder")
    with pytest.raises(StoreError, match="make the folder writable, or set MOS_HOME"):
        OnlineStore.open(mos_home)


def test_an_impossible_store_is_refused_before_anything_is_written(mos_home: Settings) -> None:
    with pytest.raises(SettingsError, match="MOS_STORE"):
        OnlineStore.open(mos_home.model_copy(update={"store": "mysql://db"}))
    assert not mos_home.feast_dir.exists()
