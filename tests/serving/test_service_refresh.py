"""The background thread: new model versions, item popularity, a store that comes late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError, StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.recommend.query import Query, Ranking
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress
from serving.http.app import create_app
from serving.scoring.answer import NoModelError
from serving.scoring.limits import Limits
from serving.scoring.service import Service
from tests.serving.serving_doubles import SNAPSHOT, FakeRecommender, FakeRegistry, FakeStore, make_service, wait_for

QUICK = Limits(refresh=0.01, registry=0.01, co_clicks=0.01, store_timeout=30.0)
QUERY = Query(user_id="u", profile=None, events=[], timestamp=1, k=1, exclude=[])
CO_CLICKS = CoClickSnapshot(partition=0, as_of=5, item_ids=[], lengths=b"", neighbours=b"", weights=b"")


def _never(update: RouterUpdate) -> RouterUpdate:
    raise AssertionError(f"there is no revision {update.sequence} of {update.epoch}")


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


async def version(service: Service) -> str:
    (answer,) = await service.recommend([QUERY], client="c")
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


def test_popularity_and_co_clicks_reach_the_model_once_and_the_next_model_too() -> None:
    models: dict[str, FakeRecommender] = {}

    def load(folder: Path) -> FakeRecommender:
        return models.setdefault(folder.name, FakeRecommender(folder.name))

    async def work() -> None:
        store = FakeStore()
        registry = FakeRegistry("m1")
        service = make_service(store=store, registry=registry, load=load, limits=QUICK)
        service.start()
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        store.snapshots, store.co_clicks = [SNAPSHOT], {0: CO_CLICKS}
        await asyncio.to_thread(wait_for, lambda: models["m1"].observed and models["m1"].co_clicks)
        await asyncio.sleep(0.1)
        assert models["m1"].observed == [[SNAPSHOT]]
        assert models["m1"].co_clicks == [[CO_CLICKS]]
        registry.version = "m2"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m2")
        assert models["m2"].observed == [[SNAPSHOT]]
        assert models["m2"].co_clicks == [[CO_CLICKS]]
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_model_that_is_taken_back_was_loaded_all_the_while_and_knows_what_is_popular_now() -> None:
    loaded: list[str] = []
    models = {name: FakeRecommender(name) for name in ("m1", "m2")}

    def load(folder: Path) -> FakeRecommender:
        loaded.append(folder.name)
        return models[folder.name]

    async def work() -> None:
        registry, store = FakeRegistry("m1"), FakeStore()
        service = make_service(registry=registry, store=store, load=load, limits=QUICK)
        service.start()
        registry.version = "m2"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m2")
        store.snapshots = [SNAPSHOT]
        await asyncio.to_thread(wait_for, lambda: models["m2"].observed)
        registry.version = "m1"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m1")
        assert models["m1"].observed == [[SNAPSHOT]]
        assert loaded == ["m1", "m2"]
        assert models["m1"].begun == 2, "what its users taught it then is old"
        learned = models["m1"].learned
        await asyncio.to_thread(wait_for, lambda: models["m1"].learned > learned)
        await asyncio.to_thread(service.stop)

    run(work)


def test_counts_are_read_more_often_while_event_time_runs_faster_than_the_clock() -> None:
    """The store gets ten minutes further with each look at it, and its health is looked at by the clock alone."""
    model = FakeRecommender("m1")

    class Moving(FakeStore):
        def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
            self.reads += 1
            return [msgspec.structs.replace(SNAPSHOT, as_of=self.reads * 600_000)]

        def read_co_clicks(self, partition: int) -> CoClickSnapshot | None:
            return None if partition else msgspec.structs.replace(CO_CLICKS, as_of=self.reads * 600_000)

    async def work() -> None:
        store = Moving()
        service = make_service(store=store, load=lambda _: model, limits=Limits(refresh=0.5, co_clicks=0.5))
        service.start()
        await asyncio.to_thread(wait_for, lambda: len(model.observed) > 40 and len(model.co_clicks) > 40)
        assert store.looks < 20
        text = service.metrics.render().decode()
        assert 'mos_serving_counts_timestamp_seconds{of="popularity",partition="1"} ' in text
        assert 'mos_serving_counts_timestamp_seconds{of="co_clicks",partition="0"} ' in text
        await asyncio.to_thread(service.stop)

    run(work)


def test_partitions_that_the_topics_are_given_or_lose_later_are_noticed_without_a_restart() -> None:
    model = FakeRecommender("m1")

    async def work() -> None:
        store = FakeStore()
        service = make_service(store=store, load=lambda _: model, limits=QUICK)
        service.start()
        store.snapshots = [SNAPSHOT, msgspec.structs.replace(SNAPSHOT, partition=69)]
        await asyncio.to_thread(wait_for, lambda: model.observed == [[SNAPSHOT]])
        store.progress = {partition: Progress(partition=partition) for partition in range(70)}
        await asyncio.to_thread(wait_for, lambda: model.observed[1:] == [store.snapshots])
        del store.progress[69]  # the topic was made anew with fewer partitions
        await asyncio.to_thread(wait_for, lambda: model.observed[2:] == [[SNAPSHOT]])
        assert service.store_problem is None
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
            read_revision=_never,
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


@pytest.mark.parametrize("how", ["the profiler has noticed", "nobody has noticed"])
def test_what_the_store_has_lost_is_told_until_it_is_mended(how: str) -> None:
    store = FakeStore()
    whole = Progress(partition=2, next_offset=7)
    store.progress = {2: whole}
    with TestClient(create_app(make_service(store=store, limits=QUICK), settings=Settings())) as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
        wait_for(lambda: store.looks)
        assert client.get("/healthz").json()["details"] == []
        store.progress = {2: whole.lost(3, now=9)} if how == "the profiler has noticed" else {}
        wait_for(lambda: client.get("/healthz").json()["details"])
        (detail,) = client.get("/healthz").json()["details"]
        assert "mos backfill --from-topic" in detail
        assert client.get("/readyz").status_code == 200
        assert "mos_serving_incomplete_store_info 1.0" in client.get("/metrics").text
        store.progress = {2: whole}
        wait_for(lambda: client.get("/healthz").json()["details"] == [])


def test_the_first_answer_waits_for_a_store_that_opens_slowly() -> None:
    opening = threading.Event()

    def open_store() -> FakeStore:
        opening.wait(0.3)  # importing Feast takes seconds
        return FakeStore(UserProfile(user_id="u", item_ids=["mine"]))

    service = Service(
        registry=FakeRegistry(),
        load=lambda _: FakeRecommender(),  # type: ignore[arg-type,return-value]
        open_store=open_store,
        read_revision=_never,
        partitions=1,
        limits=Limits(),
    )
    with TestClient(create_app(service, settings=Settings())) as client:
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
        read_revision=_never,
        partitions=1,
        limits=Limits(),
    )
    with TestClient(create_app(service, settings=Settings())) as client:
        answer = client.post("/v1/recommend", json={"user_id": "u"}).json()
    assert answer["fallback"]["reason"] == "store_unavailable"


def test_without_a_model_it_waits_for_one_and_says_so() -> None:
    async def work() -> None:
        registry = FakeRegistry(None)
        service = make_service(registry=registry, limits=QUICK)
        service.start()
        with pytest.raises(NoModelError, match="mos train"):
            await version(service)
        with pytest.raises(NoModelError):
            _ = service.recommender
        await asyncio.to_thread(wait_for, lambda: "mos train" in (service.not_ready() or ""))
        assert b"mos_serving_stale_model_info 1.0" in service.metrics.render()
        registry.version = "m1"
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        assert await version(service) == "m1"
        assert b"mos_serving_stale_model_info 0.0" in service.metrics.render()
        await asyncio.to_thread(service.stop)

    run(work)


def broken(folder: Path) -> FakeRecommender:
    if folder.name.startswith("broken"):
        raise ModelError(f"{folder.name} is cut short")
    return FakeRecommender(folder.name)


def test_a_damaged_version_at_the_start_leaves_the_previous_one_in_service() -> None:
    async def work() -> None:
        registry = FakeRegistry("broken")
        registry.former = "m0"
        service = make_service(registry=registry, load=broken, limits=QUICK)
        service.start()
        assert await version(service) == "m0"
        assert "broken is cut short" in (service.model_problem or "")
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)  # it answers, with an older model
        registry.version = "m2"
        await asyncio.to_thread(wait_for, lambda: service.recommender.model_version == "m2")
        await asyncio.to_thread(wait_for, lambda: service.model_problem is None)
        await asyncio.to_thread(service.stop)

    run(work)


def test_damage_everywhere_at_the_start_is_told_and_the_next_version_is_taken() -> None:
    async def work() -> None:
        registry = FakeRegistry("broken")
        registry.former = "broken too"
        service = make_service(registry=registry, load=broken, limits=QUICK)
        service.start()
        with pytest.raises(NoModelError, match=r"broken is cut short; and .* broken too is cut short"):
            await version(service)
        registry.version = "m2"
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        assert await version(service) == "m2"
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_model_whose_scores_are_no_numbers_does_not_go_into_service() -> None:
    class Nan(FakeRecommender):
        def recommend(self, queries: Sequence[Query]) -> list[Ranking]:
            none = Ranking(items=[], themes=[], fallback=None, candidates=0)
            return [
                none if query.events else ranking
                for query, ranking in zip(queries, super().recommend(queries), strict=True)
            ]

    def load(folder: Path) -> FakeRecommender:
        return Nan(folder.name) if folder.name == "nan" else FakeRecommender(folder.name)

    async def work() -> None:
        registry = FakeRegistry("nan")
        service = make_service(registry=registry, load=load, limits=QUICK)
        service.start()
        with pytest.raises(NoModelError, match="does not rank"):
            await version(service)
        registry.version = "m1"
        await asyncio.to_thread(wait_for, lambda: service.not_ready() is None)
        registry.version = "nan"
        await asyncio.to_thread(wait_for, lambda: "does not rank" in (service.model_problem or ""))
        assert await version(service) == "m1"
        await asyncio.to_thread(service.stop)

    run(work)
