"""Two namespaces that share Kafka, a store, a registry and MOS_HOME see nothing of each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from features.location import project_of
from features.store import OnlineStore
from mos_online.contracts import TOPICS
from mos_online.errors import ModelError
from mos_online.exposition import exposition
from mos_online.registry import open_registry
from mos_online.settings import Settings
from tests.features.test_online_store import profile
from tests.model_folder import put_into_service, write_config

names = st.text(st.sampled_from("abmos_online.-"), max_size=24)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.slow)])
def shared(request: pytest.FixtureRequest, mos_home: Settings) -> Settings:
    """Settings of one store and one MOS_HOME, without a namespace."""
    if request.param == "redis":
        return mos_home.model_copy(update={"store": request.getfixturevalue("redis_server").url})
    return mos_home


def in_namespaces(settings: Settings) -> list[Settings]:
    return [settings.model_copy(update={"namespace": name}) for name in ("", "a", "a.b", "a-b", "a_b", "..")]


def test_profiles_of_one_namespace_are_not_those_of_another(shared: Settings) -> None:
    stores = [OnlineStore.open(one) for one in in_namespaces(shared)]
    for number, store in enumerate(stores):
        store.write_profiles([profile("u", session=str(number))])
    for number, store in enumerate(stores):
        assert store.read_profiles(["u"])["u"].last_session_id == str(number)
    stores[1].delete_profiles(["u"])
    assert ["u" in store.read_profiles(["u"]) for store in stores] == [True, False, True, True, True, True]
    for store in stores:
        store.close()


def test_models_of_one_namespace_are_not_those_of_another(mos_home: Settings, tmp_path: Path) -> None:
    model = write_config(tmp_path / "model", "m-1")
    first, *others = in_namespaces(mos_home)
    put_into_service(open_registry(first), model)
    for other in others:
        with pytest.raises(ModelError, match="mos train"):
            open_registry(other).champion()
    put_into_service(open_registry(others[0]), model)
    assert open_registry(others[0]).versions() == open_registry(first).versions()
    assert open_registry(first).aliases().previous is None


@given(names, names)
def test_nothing_of_two_namespaces_has_the_same_name(one: str, other: str) -> None:
    if one == other:
        return
    first, second = Settings(namespace=one), Settings(namespace=other)
    for shared in ("models_location", "models_cache", "feast_dir"):
        assert getattr(first, shared) != getattr(second, shared)
    assert not project_of(one).endswith(project_of(other))
    assert project_of(one).isidentifier()


@given(names)
def test_a_namespace_stays_in_its_folder(name: str) -> None:
    settings = Settings(home=Path("/home/mos"), namespace=name)
    for folder in (Path(settings.models_location), settings.models_cache, settings.feast_dir):
        assert folder.resolve().is_relative_to("/home/mos")
        assert ".." not in folder.parts


def test_a_url_keeps_its_form() -> None:
    assert Settings(models="s3://bucket/models/", namespace="a").models_location == "s3://bucket/models/ns-a"
    assert Settings(models="s3://bucket/models").models_location == "s3://bucket/models"


def test_topics_and_groups_carry_the_namespace() -> None:
    first, second = Settings(namespace="a."), Settings(namespace="b.")
    assert {first.topic(name) for name in TOPICS}.isdisjoint(second.topic(name) for name in TOPICS)
    assert first.group("profiler") != second.group("profiler")


def test_metrics_carry_the_namespace_as_a_label() -> None:
    registry = CollectorRegistry()
    Counter("mos_things", "Things.", ["kind"], registry=registry).labels("x").inc()
    Histogram("mos_seconds", "Time.", registry=registry).observe(1)
    plain = exposition(registry, namespace="").decode()
    assert 'mos_things_total{kind="x"} 1.0' in plain
    assert "namespace" not in plain
    for _ in range(2):  # reading does not change what is read
        labelled = exposition(registry, namespace="a.b").decode()
        assert 'mos_things_total{kind="x",namespace="a.b"} 1.0' in labelled
        assert 'mos_seconds_count{namespace="a.b"} 1.0' in labelled
        samples = [line for line in labelled.splitlines() if not line.startswith("#")]
        assert all('namespace="a.b"' in line for line in samples)
    assert exposition(registry, namespace="").decode() == plain
