"""Revisions of the router go into service between two batches; what is of no use changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from copy import copy
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from mos_online.contracts import RouterUpdate
from mos_online.errors import ModelError
from mos_online.recommend.query import Query
from mos_online.recommend.recommender import Recommender
from mos_online.themes.router import Router
from mos_online.themes.updates import shortened, update_of
from serving.metrics import Metrics
from serving.scoring.limits import Limits
from serving.scoring.profiles import Profiles
from serving.scoring.revisions import Revisions
from serving.scoring.service import Service
from tests.serving.serving_doubles import FakeRecommender, FakeRegistry, FakeStore, make_service, wait_for
from tests.themes.test_router_properties import ROUTER, random_router

QUERY = Query(user_id="u", profile=None, events=[], timestamp=1, k=1, exclude=[])
QUICK = Limits(refresh=0.05, co_clicks=0.05, router=0.005, store_timeout=30.0)


class Revisable(FakeRecommender):
    """A recommender whose router can be revised."""

    def __init__(self, version: str = "m1", base: Router = ROUTER) -> None:
        super().__init__(version)
        self.base = base
        self.router = base  # type: ignore[assignment]
        self.router_version = base.version

    def revised(self, router: Router) -> Revisable:
        if router.epoch != self.base.epoch:
            raise ModelError("of another epoch")
        twin = copy(self)
        twin.router, twin.router_version = router, router.version  # type: ignore[assignment]
        return twin


def update(sequence: int, base: Router = ROUTER, tau: float | None = None) -> RouterUpdate:
    """The revision of this number."""
    made = base.revised(
        [f"new{sequence}"],
        base.prototypes[:1],
        prototypes=base.prototypes,
        tau=0.2 - sequence / 1000 if tau is None else tau,
        sequence=sequence,
    )
    return update_of(base, made, arm="champion", effective_from=5, through=(3, "s"), sessions=9)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


async def sequence(service: Service) -> int:
    (answer,) = await service.recommend([QUERY], client="c")
    return answer.recommender.router.sequence


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_for, condition)


def started(store: FakeStore, registry: FakeRegistry | None = None, **more: Any) -> Service:
    service = make_service(
        store=store, registry=registry, load=lambda folder: Revisable(folder.name), limits=QUICK, **more
    )
    service.start()
    return service


def test_revisions_go_into_service_without_a_dropped_request_and_never_back() -> None:
    async def work() -> None:
        store = FakeStore()
        service = started(store)
        seen = [await sequence(service)]
        for number in range(1, 6):
            store.routers.update = update(number)
            while seen[-1] != number:
                seen += await asyncio.gather(*(sequence(service) for _ in range(8)))
        assert seen == sorted(seen)
        assert set(seen) == {0, 1, 2, 3, 4, 5}
        assert service.recommender.model_version == "m1"
        assert service.recommender.router.has_row("new5")
        assert not service.recommender.router.has_row("new4")
        assert f'router_version="{update(5).version}"}} 1.0' in service.metrics.render().decode()
        await asyncio.to_thread(service.stop)

    run(work)


def test_the_large_row_is_read_only_when_another_revision_is_there() -> None:
    async def work() -> None:
        store = FakeStore()
        store.routers.update = update(1)
        service = started(store)
        await until(lambda: service.recommender.router.sequence == 1)
        looks = store.routers.looks
        await until(lambda: store.routers.looks > looks + 5)
        assert store.routers.reads == 1
        await asyncio.to_thread(service.stop)

    run(work)


@pytest.mark.parametrize(
    "useless",
    [
        update(1, random_router(1)),
        update(1),
        msgspec.structs.replace(update(3), tau=0.5),
        msgspec.structs.replace(update(3), rows=update(3).rows[:-2]),
        msgspec.structs.replace(update(3), arm="b"),
        shortened(msgspec.structs.replace(update(3), item_ids=["i"] * 2001), "routers/gone"),
    ],
    ids=["another epoch", "an older one", "other content", "cut off", "another arm", "its file is gone"],
)
def test_what_is_of_no_use_changes_nothing_and_the_next_one_is_taken(useless: RouterUpdate) -> None:
    async def work() -> None:
        store = FakeStore()
        store.routers.update = update(2)
        service = started(store)
        await until(lambda: service.recommender.router.sequence == 2)
        store.routers.update = useless
        looks = store.routers.looks
        await until(lambda: store.routers.looks > looks + 3)
        assert await sequence(service) == 2
        store.routers.update = update(4)
        await until(lambda: service.recommender.router.sequence == 4)
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_rollback_is_a_higher_number_with_older_content() -> None:
    async def work() -> None:
        store = FakeStore()
        store.routers.update = update(2)
        service = started(store)
        await until(lambda: service.recommender.router.sequence == 2)
        back = ROUTER.revised(
            ["new1"], ROUTER.prototypes[:1], prototypes=ROUTER.prototypes, tau=update(1).tau, sequence=3
        )
        store.routers.update = update_of(
            ROUTER, back, arm="champion", effective_from=5, through=(3, "s"), sessions=9, restores=1
        )
        await until(lambda: service.recommender.router.sequence == 3)
        assert service.recommender.router_version == update(1).version
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_revision_of_many_rows_is_fetched_from_the_registry() -> None:
    async def work() -> None:
        store, fetched = FakeStore(), []

        def read(short: RouterUpdate) -> RouterUpdate:
            fetched.append((short.epoch, short.sequence))
            return update(short.sequence)

        short = msgspec.structs.replace(update(1), item_ids=[], rows=b"", artefact="routers/file")
        store.routers.update = short
        service = started(store, read_revision=read)
        await until(lambda: service.recommender.router.sequence == 1)
        assert fetched == [(ROUTER.version, 1)]
        await asyncio.to_thread(service.stop)

    run(work)


def test_a_new_model_starts_with_the_revision_of_its_epoch_and_another_one_with_its_base() -> None:
    async def work() -> None:
        store, registry = FakeStore(), FakeRegistry("m1")
        store.routers.update = update(1)
        other = random_router(1)
        service = make_service(
            store=store,
            registry=registry,
            load=lambda folder: Revisable(folder.name, other if folder.name == "m3" else ROUTER),
            limits=QUICK,
        )
        service.start()
        await until(lambda: service.recommender.router.sequence == 1)
        seen = set()
        registry.version = "m2"
        while ("m2", 1) not in seen:
            (answer,) = await service.recommend([QUERY], client="c")
            seen.add((answer.recommender.model_version, answer.recommender.router.sequence))
        assert seen <= {("m1", 1), ("m2", 1)}, "never the new model with the old router"
        registry.version = "m3"
        await until(lambda: service.recommender.model_version == "m3")
        assert np.array_equal(service.recommender.router.prototypes, other.prototypes)
        assert await sequence(service) == 0
        await asyncio.to_thread(service.stop)

    run(work)


def test_the_revision_of_an_arm_whose_experiment_has_ended_is_forgotten() -> None:
    store, metrics = FakeStore(), Metrics()
    store.routers.update = msgspec.structs.replace(update(1), arm="e/1/a")
    profiles = Profiles(open_store=lambda: store, timeout=30.0, metrics=metrics)
    profiles.check(timeout=30.0)
    revisions, recommender = Revisions(profiles, lambda one: one), cast("Recommender", Revisable())
    assert revisions.look({"champion", "e/1/a"}) == {"e/1/a"}
    assert revisions.applied("e/1/a", recommender).router.sequence == 1
    assert revisions.look({"champion"}) == set()
    assert revisions.applied("e/1/a", recommender) is recommender
    profiles.close()
