"""Answers get click probabilities as soon as there are fast weights of their model, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.testclient import TestClient

from mos_online.experiments.treatment import CHAMPION
from mos_online.learning.fast_weights import FastWeights, ModelWeights
from mos_online.learning.score_map import Curve
from mos_online.recommend.query import Query
from serving.scoring.answer import Answer
from serving.scoring.limits import Limits
from serving.scoring.service import Service
from tests.serving.serving_doubles import FakeRegistry, FakeStore, make_service, wait_for
from tests.serving.test_decisions import Recorder, T, client

QUICK = Limits(refresh=0.01, registry=0.01, co_clicks=0.01, store_timeout=30.0)
KNOWN = {"user_id": "anna", "k": 3, "events": [{"item_id": "a9", "timestamp": T}], "timestamp": T + 5}


def weights(model: str, intercept: float, arm: str = CHAMPION) -> FastWeights:
    curve = Curve(intercept=intercept, slope=0.5, positions=[-0.5, -1.0])
    return FastWeights(arm=arm, as_of=5, models={model: ModelWeights.of(curve, {1: 0.7})})


def asked(api: TestClient, body: dict[str, Any] = KNOWN) -> list[dict[str, Any]]:
    return list(api.post("/v1/recommend", json=body).json()["items"])


def test_an_item_has_the_probability_of_its_score_place_and_theme_and_the_log_names_the_weights() -> None:
    store, recorder = FakeStore(), Recorder()
    with client(recorder, store=store, limits=QUICK) as api:
        before = asked(api)
        (first,) = recorder.decisions()
        found = weights("m1", -1.0)
        store.fast_weights.rows[CHAMPION] = found
        wait_for(lambda: "p_click" in asked(api)[0])
        items = asked(api)
        decision = recorder.decisions()[-1]
        cold = asked(api, {"user_id": "nobody", "k": 1})
        fallback = recorder.decisions()[-1]

    assert all("p_click" not in item for item in before)
    assert first.fast_version is None
    of = found.models["m1"]
    assert decision.fast_version == of.version
    level = decision.score_level
    assert level is not None
    assert [item["p_click"] for item in items] == [
        round(of.p_click(item["score"] - level, place, item["theme"]), 6) for place, item in enumerate(items)
    ]
    assert [item.p_click for item in decision.items] == [item["p_click"] for item in items]
    assert [{k: v for k, v in item.items() if k != "p_click"} for item in items] == before
    assert "p_click" not in cold[0], "popularity knows no probabilities"
    assert fallback.fast_version is None
    assert all(one.latency_ms is not None and one.latency_ms > 0 for one in (first, decision, fallback))


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


async def answer(service: Service) -> Answer:
    query = Query(user_id="anna", profile=None, events=[], timestamp=1, k=1, exclude=[])
    (found,) = await service.recommend([query], client="c")
    return found


def test_model_and_weights_change_together_and_weights_of_another_model_are_ignored() -> None:
    async def work() -> None:
        store, registry = FakeStore(), FakeRegistry("m1")
        store.fast_weights.rows[CHAMPION] = weights("m1", 1.0)
        store.fast_weights.rows["other"] = weights("m1", 9.0, arm="other")
        service = make_service(store=store, registry=registry, limits=QUICK)
        service.start()
        mine = store.fast_weights.rows[CHAMPION].models["m1"].version
        await until(lambda: service.weights is not None)
        of_both = FastWeights(arm=CHAMPION, as_of=6, models=weights("m1", 2.0).models | weights("m3", 3.0).models)
        assert service.weights is not None
        assert service.weights.version == mine
        registry.version = "m2"
        await until(lambda: service.recommender.model_version == "m2")
        assert service.weights is None
        assert (await answer(service)).fast_version is None
        store.fast_weights.rows[CHAMPION] = of_both
        registry.version = "m3"
        await until(lambda: service.weights is not None)
        assert service.weights.version == of_both.models["m3"].version
        store.error = "away"
        await until(lambda: service.not_ready() is not None)
        assert service.weights.version == of_both.models["m3"].version, "the last ones hold"
        await asyncio.to_thread(service.stop)

    async def until(condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.005)

    run(work)
