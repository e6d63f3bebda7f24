"""The background thread: new model versions, item popularity, a store that comes late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mos_online.errors import ModelError, StoreError
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.recommend.query import Query
from mos_online.users.profile import UserProfile
from serving.http.app import create_app
from serving.scoring.limits import Limits
from serving.scoring.service import Service
from tests.serving.serving_doubles import FakeRecommender, FakeRegistry, FakeStore, make_service, wait_for

QUICK = Limits(refresh=0.01)
QUERY = Query(user_id="u", profile=None, events=[], timestamp=1, k=1, exclude=[])
SNAPSHOT = PopularitySnapshot(
    partition=1,
    as_of=5,
    total=1.0,
    slow_total=1.0,
    item_ids=["i"],
    counts=[1.0],
    slow_counts=[1.0],
    first_seen=[1],
    categories=[""],
)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


async def version(service: Service) -> str:
    (answer,) = await service.recommend([QUERY])
    return answer.recommender.model_version


def test_a_new_version_goes_into_service_without_a_dropped_request() -> None:
    async def work() -> None:
        registry = FakeRegistry("m1")
        service = make_service(registry=registry, limits=QUICK)
        service.start()
        seen = [await version(service)]
        registry.version = "m2"
        while seen[-1] != "m2":
            seen += await asyncio.gather(*(version(service) for _ in range(8)))
        assert seen[0] == "m1"
        assert service.recommender.model_version == "m2"
        assert seen == sorted(seen)  # never back
        text = service.metrics.render().decode()
        assert 'mos_serving_model_info{model_version="m1",router_version="r-m1"} 0.0' in text
        assert 'mos_serving_model_info{model_version="m2",router_version="r-m2"} 1.0' in text
        assert 'mos_serving_model_reloads_total{outcome="ok"} 1.0' in text
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_damaged_version_changes_nothing_and_a_later_one_is_taken() -> None:
    tried: list[str] = []

    def load(folder: Path) -> FakeRecommender:
        tried.append(folder.name)
        if folder.name == "broken":
            raise ModelError("model.safetensors is cut short")
        return FakeRecommender(folder.name)

    async def work() -> None:
        registry = FakeRegistry("m1")
        service = make_service(registry=registry, load=load, limits=QUICK)
        service.start()
        registry.version = "broken"
        await asyncio.to_thread(wait_for, lambda: b'outcome="failed"} 1.0' in service.metrics.render())
        assert await version(service) == "m1"
        registry.version = "m3"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m3")
        assert tried == ["m1", "broken", "m3"]
        await asyncio.to_thread(service.stop)

    run(work)


def test_popularity_reaches_the_model_once_and_the_next_model_too() -> None:
    models: dict[str, FakeRecommender] = {}

    def load(folder: Path) -> FakeRecommender:
        return models.setdefault(folder.name, FakeRecommender(folder.name))

    async def work() -> None:
        store = FakeStore()
        registry = FakeRegistry("m1")
        service = make_service(store=store, registry=registry, load=load, limits=QUICK)
        service.start()
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        store.snapshots = [SNAPSHOT]
        await asyncio.to_thread(wait_for, lambda: models["m1"].observed)
        await asyncio.sleep(0.1)
        assert models["m1"].observed == [[SNAPSHOT]]
        registry.version = "m2"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m2")
        assert models["m2"].observed == [[SNAPSHOT]]
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_store_that_starts_later_is_found() -> None:
    async def work() -> None:
        store = FakeStore()
        attempts: list[int] = []

        def open_store() -> FakeStore:
            attempts.append(1)
            if len(attempts) < 3:
                raise StoreError("connection refused")
            return store

        service = Service(
            registry=FakeRegistry(),
            load=lambda _: FakeRecommender(),  # type: ignore[arg-type,return-value]
            open_store=open_store,
            partitions=1,
            limits=QUICK,
        )
        assert service.not_ready()
        service.start()
        assert await version(service) == "m1"  # answers meanwhile
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        assert len(attempts) == 3
        await asyncio.to_thread(service.stop)

    run(work)


def test_the_first_answer_waits_for_a_store_that_opens_slowly() -> None:
    opening = threading.Event()

    def open_store() -> FakeStore:
        opening.wait(0.3)  # importing Feast takes seconds
        return FakeStore(UserProfile(user_id="u", item_ids=["mine"]))

    service = Service(
        registry=FakeRegistry(),
        load=lambda _: FakeRecommender(),  # type: ignore[arg-type,return-value]
        open_store=open_store,
        partitions=1,
        limits=Limits(),
    )
    with TestClient(create_app(service, api_key=None)) as client:
        answer = client.post("/v1/recommend", json={"user_id": "u", "k": 1}).json()
    assert answer["fallback"] is None
    assert answer["items"][0]["item_id"] == "mine"


def test_a_store_that_cannot_be_opened_does_not_hold_up_the_start() -> None:
    def open_store() -> FakeStore:
        raise StoreError("connection refused")

    service = Service(
        registry=FakeRegistry(),
        load=lambda _: FakeRecommender(),  # type: ignore[arg-type,return-value]
        open_store=open_store,
        partitions=1,
        limits=Limits(),
    )
    with TestClient(create_app(service, api_key=None)) as client:
        answer = client.post("/v1/recommend", json={"user_id": "u"}).json()
    assert answer["fallback"]["reason"] == "store_unavailable"


def test_without_a_model_it_does_not_start_and_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="mos train"):
        make_service(registry=FakeRegistry(None))
