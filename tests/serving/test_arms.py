"""Arms of experiments: users get theirs between two batches, each model is loaded once, and nobody goes without."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec
import pytest

from mos_online.errors import ModelError
from mos_online.experiments.exploration import explore
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.treatment import CHAMPION, Treatments
from mos_online.recommend.query import Query, Ranking
from mos_online.registry.experiments import ExperimentHistory
from serving.http import recommendation
from serving.scoring import arms, scorer
from serving.scoring.limits import Limits
from tests.experiments.plans import MODELS, ROUTING, in_force
from tests.serving.serving_doubles import SNAPSHOT, FakeRecommender, FakeRegistry, FakeStore, wait_for
from tests.serving.test_click_probabilities import weights
from tests.serving.test_decisions import Recorder, T, client
from tests.serving.test_revisions import Revisable, update
from tests.standing_clock import StandingClock
from tests.themes.test_router_properties import ROUTER

QUICK = Limits(refresh=0.02, registry=0.01, co_clicks=0.02, router=0.01, store_timeout=30.0)
USERS = [f"u{number}" for number in range(40)]
BOTH = ROUTING.replace("[[0, 5000]]", "[[0, 10000]]") + MODELS.replace("candidate", "m2")
TREATMENTS = Treatments(in_force(BOTH.replace("m2", "m-2")))
BASE = ROUTER.version


class Branching(Revisable):
    """A recommender of which arms have branches."""

    def branched(self, *, own_router: bool) -> Branching:
        twin = copy(self)
        twin.router, twin.router_version = self.base, self.base.version  # type: ignore[assignment]
        twin.own_router = own_router  # type: ignore[attr-defined]
        twin.observed, twin.co_clicks, twin.batches = [], [], []
        return twin


class Models:
    """Loads models, and remembers which; some cannot be loaded."""

    def __init__(self) -> None:
        self.loaded: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.fault: Exception = ModelError("m2 is damaged")
        self.made: dict[str, Branching] = {}

    def load(self, folder: Path) -> FakeRecommender:
        if folder.name in self.broken:
            raise self.fault
        self.loaded[folder.name] += 1
        return self.made.setdefault(folder.name, Branching(folder.name))


def start(history: ExperimentHistory, text: str = BOTH) -> int:
    return history.start(parse_plan(text), lambda _: None, now=5).number


def ask(api: Any, users: list[str] = USERS, k: int = 3) -> dict[str, dict[str, Any]]:
    """An answer for each user, who has clicked a9."""
    events = [{"item_id": "a9", "timestamp": T}]
    requests = [{"user_id": u, "k": k, "events": events, "timestamp": T + 5, "request_id": f"r-{u}"} for u in users]
    answered = api.post("/v1/recommend/batch", json={"requests": requests})
    assert answered.status_code == 200
    return {one["user_id"]: one for one in answered.json()["responses"]}


def in_service(api: Any, number: int) -> None:
    wait_for(lambda: api.get("/v1/model").json()["experiments"] == number)


def arms_of(answer: dict[str, Any]) -> dict[str, str]:
    return {one["experiment"]: one["arm"] for one in answer["assignments"]}


def test_a_start_and_a_stop_are_taken_up_and_each_user_gets_the_arms_of_the_function() -> None:
    models, registry, store, recorder = Models(), FakeRegistry("m1"), FakeStore(), Recorder()
    store.routers.update = update(1)
    with client(recorder, registry=registry, load=models.load, store=store, limits=QUICK) as api:
        wait_for(lambda: api.get("/v1/model").json()["router_sequence"] == 1)
        assert all(answer["assignments"] == [] for answer in ask(api).values())
        in_service(api, start(registry.history))
        recorder.sent.clear()
        for user, answer in ask(api).items():
            arm, treated = arms_of(answer), TREATMENTS.of(user)
            assert arm == {one.experiment: one.arm for one in treated.assignments}
            assert answer["model_version"] == ("m2" if arm["model"] == "new" else "m1")
            assert answer["router_version"] == BASE, "both begin without revisions"
            assert [one["probability"] for one in answer["assignments"]] == [0.5, pytest.approx(1 / 3, abs=1e-4)]
        logged = recorder.decisions()
        assert {one.user_id: one.assignments for one in logged} == {u: TREATMENTS.of(u).assignments for u in USERS}
        registry.history.stop(["routing", "model"], "done", now=9)
        in_service(api, 2)
        for answer in ask(api).values():
            assert (answer["assignments"], answer["router_version"]) == ([], update(1).version)
        assert models.loaded == {"m1": 1, "m2": 1}
        assert 'mos_serving_arm_answers_total{arm="online",control_because="",experiment="routing"' in (
            api.get("/metrics").text
        )


def test_an_arm_has_its_own_revisions_and_fast_weights_and_no_other_arm_has_them() -> None:
    models, registry, store, recorder = Models(), FakeRegistry("m1"), FakeStore(), Recorder()
    mine, other = weights("m1", 1.0, arm="routing/1/online"), weights("m1", 2.0, arm="champion")
    store.fast_weights.rows = {"routing/1/online": mine, "champion": other}
    start(registry.history, ROUTING)
    with client(recorder, registry=registry, load=models.load, store=store, limits=QUICK) as api:
        store.routers.update = msgspec.structs.replace(update(3), arm="routing/1/online")
        wait_for(lambda: {a["router_version"] for a in ask(api).values()} == {update(3).version, BASE})
        wait_for(lambda: "p_click" in next(a for a in ask(api).values() if not a["assignments"])["items"][0])
        recorder.sent.clear()
        ask(api)
        for one in recorder.decisions():
            arm = one.assignments[0].arm if one.assignments else None
            assert one.router_version == (update(3).version if arm == "online" else BASE)
            of = {"online": mine, "frozen": None, None: other}[arm]
            assert one.fast_version == (of.models["m1"].version if of else None)


@pytest.mark.parametrize("fault", [ModelError("m2 is damaged"), MemoryError("m2 is too large")])
def test_an_arm_whose_model_cannot_be_loaded_gets_the_control_until_it_can(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "RETRY", 0.02)
    models, registry = Models(), FakeRegistry("m1")
    models.broken, models.fault = {"m2"}, fault
    start(registry.history)
    with client(Recorder(), registry=registry, load=models.load, limits=QUICK) as api:
        in_service(api, 1)
        for answer in ask(api).values():
            (model,) = [one for one in answer["assignments"] if one["experiment"] == "model"]
            assert model.get("control_because") == ("not_loaded" if model["arm"] == "new" else None)
            assert answer["model_version"] == "m1"
        (detail,) = api.get("/healthz").json()["details"]
        assert "users of an arm get its control" in detail
        assert "mos_serving_stale_experiments_info 1.0" in api.get("/metrics").text
        models.broken = set()
        wait_for(lambda: api.get("/healthz").json()["details"] == [])
        assert {a["model_version"] for a in ask(api).values()} == {"m1", "m2"}


def test_without_the_model_of_the_control_its_users_get_the_champion_whole_and_all_say_so() -> None:
    models, registry, store, recorder = Models(), FakeRegistry("m1"), FakeStore(), Recorder()
    models.broken = {"m2"}
    store.fast_weights.rows = {CHAMPION: weights("m1", 1.0, arm=CHAMPION)}
    store.routers.update = update(2)
    start(registry.history, ROUTING.replace("{name: frozen,", "{name: frozen, model: m2,"))
    with client(recorder, registry=registry, load=models.load, store=store, limits=QUICK) as api:
        in_service(api, 1)
        wait_for(lambda: "p_click" in next(a for a in ask(api).values() if not a["assignments"])["items"][0])
        recorder.sent.clear()
        frozen = [answer for answer in ask(api).values() if arms_of(answer) == {"routing": "frozen"}]
        assert {answer["assignments"][0]["control_because"] for answer in frozen} == {"control_not_loaded"}
        assert all("p_click" in item for answer in frozen for item in answer["items"])
        assert {answer["router_version"] for answer in frozen} == {update(2).version}
        logged = [one for one in recorder.decisions() if one.assignments and one.assignments[0].arm == "frozen"]
        assert {one.assignments[0].control_because for one in logged} == {"control_not_loaded"}
        assert all(one.fast_version for one in logged)
        assert 'arm="frozen",control_because="control_not_loaded",experiment="routing"' in api.get("/metrics").text


def test_an_arm_is_not_charged_with_what_another_one_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(StandingClock):
        time_ns = staticmethod(time.time_ns)

    class Slow(Branching):
        def recommend(self, queries: Sequence[Query]) -> list[Ranking]:
            clock.now += {"m1": 0.25, "m2": 3.0}[self.model_version]
            return super().recommend(queries)

    clock, registry, recorder = Clock(), FakeRegistry("m1"), Recorder()
    for module in (scorer, recommendation):
        monkeypatch.setattr(module, "time", clock)
    start(registry.history, "layers:" + MODELS.replace("candidate", "m2"))
    with client(recorder, registry=registry, load=lambda f: Slow(f.name), limits=QUICK) as api:
        in_service(api, 1)
        for users in (["u0", "u1"], ["u1", "u0"], ["u0"], ["u1"]):
            recorder.sent.clear()
            ask(api, users)
            for one in recorder.decisions():
                slow = one.assignments[0].arm == "new"
                assert one.latency_ms == (3000.0 if slow else 250.0)


def test_an_arm_that_was_taken_back_gets_the_control_and_says_so() -> None:
    models, registry = Models(), FakeRegistry("m1")
    start(registry.history)
    with client(Recorder(), registry=registry, load=models.load, limits=QUICK) as api:
        in_service(api, registry.history.roll_back("model", 1, "new", "slow", now=9).number)
        because = {
            (one["arm"], one.get("control_because"), answer["model_version"])
            for answer in ask(api).values()
            for one in answer["assignments"]
            if one["experiment"] == "model"
        }
        assert because == {("new", "rolled_back", "m1"), ("old", None, "m1"), ("explores", None, "m1")}


def test_an_arm_explores_a_place_and_the_decision_has_what_estimates_need() -> None:
    models, registry, recorder = Models(), FakeRegistry("m1"), Recorder()
    start(registry.history)
    users = [f"x{number}" for number in range(64)]
    with client(recorder, registry=registry, load=models.load, limits=QUICK) as api:
        in_service(api, 1)
        answers = ask(api, users, k=4)
        cold = api.post("/v1/recommend", json={"user_id": users[0], "k": 4}).json()
    slots = Counter[int | None]()
    for one in recorder.decisions()[: len(users)]:
        explores = arms_of(answers[one.user_id])["model"] == "explores"
        assert (one.exploration is not None) == explores
        assert len(one.items) == 4
        if one.exploration is None:
            continue
        slots[one.exploration.slot] += 1
        assert (one.exploration.epsilon, len(one.exploration.pool)) == (0.2, 30)
        expected = explore(one.request_id, one.exploration.pool, 4, 0.2)
        assert (expected.items, expected.slot) == ([i.item_id for i in one.items], one.exploration.slot)
        for place, item in enumerate(one.items):
            inside = item.item_id == one.exploration.pool[place]
            assert inside == (place != one.exploration.slot)
    assert slots[None] > sum(slots.values()) / 2
    assert sum(count for slot, count in slots.items() if slot is not None) > 0
    assert recorder.decisions()[-1].exploration is None, "popularity is not explored"
    assert len(cold["items"]) == 4


def test_arms_follow_popularity_and_a_new_champion() -> None:
    models, registry, store = Models(), FakeRegistry("m1"), FakeStore()
    start(registry.history, BOTH.replace("{name: old}", "{name: old, model: m1}"))
    with client(Recorder(), registry=registry, load=models.load, store=store, limits=QUICK) as api:
        in_service(api, 1)
        registry.version = "m3"
        wait_for(lambda: api.get("/v1/model").json()["model_version"] == "m3")
        found = {(arms_of(a)["model"], a["model_version"]) for a in ask(api).values()}
        assert found == {("old", "m1"), ("new", "m2"), ("explores", "m3")}
        assert models.loaded == {"m1": 1, "m2": 1, "m3": 1}


def test_a_model_of_an_arm_that_becomes_the_champion_is_in_memory_once() -> None:
    registry = FakeRegistry("m1")
    alive: WeakSet[FakeRecommender] = WeakSet()

    def load(folder: Path) -> FakeRecommender:
        alive.add(loaded := Branching(folder.name))
        return loaded

    start(registry.history)
    with client(Recorder(), registry=registry, load=load, limits=QUICK) as api:
        in_service(api, 1)
        registry.version = "m2"
        wait_for(lambda: api.get("/v1/model").json()["model_version"] == "m2")
        wait_for(lambda: gc.collect() >= 0 and [one.model_version for one in alive].count("m2") == 1)
        assert {a["model_version"] for a in ask(api).values()} == {"m2"}


def test_a_plan_that_cannot_be_read_is_told_and_the_one_before_stays() -> None:
    registry = FakeRegistry("m1")
    start(registry.history, ROUTING)
    with client(Recorder(), registry=registry, load=Models().load, limits=QUICK) as api:
        in_service(api, 1)
        registry.history._files.commit(b'{"of": "the future"}', lambda: None)
        wait_for(lambda: api.get("/healthz").json()["details"])
        assert "of another version of MoS Online" in api.get("/healthz").json()["details"][0]
        assert any(answer["assignments"] for answer in ask(api).values())


def test_while_arms_or_a_model_cannot_be_put_into_use_what_answers_is_what_is_told_and_then_they_are() -> None:
    class Failing(Branching):
        def branched(self, *, own_router: bool) -> Branching:
            if broken:
                raise MemoryError("no room for a branch")
            return super().branched(own_router=own_router)

    broken, registry, store = {"now"}, FakeRegistry("m1"), FakeStore()
    models = {name: Failing(name) for name in ("m1", "m3")}
    with client(Recorder(), registry=registry, load=lambda f: models[f.name], store=store, limits=QUICK) as api:

        def failing() -> None:
            wait_for(lambda: any("no room for a branch" in one for one in api.get("/healthz").json()["details"]))

        start(registry.history, ROUTING)
        failing()
        store.snapshots = [SNAPSHOT]
        wait_for(lambda: models["m1"].observed)  # nothing else is held up
        assert api.get("/v1/model").json()["experiments"] == 0
        assert all(answer["assignments"] == [] for answer in ask(api).values())
        assert "mos_serving_stale_experiments_info 1.0" in api.get("/metrics").text
        broken.clear()
        in_service(api, 1)
        assert any(answer["assignments"] for answer in ask(api).values())
        broken.add("again")
        registry.version = "m3"
        failing()
        assert api.get("/v1/model").json()["model_version"] == "m1"
        assert {answer["model_version"] for answer in ask(api).values()} == {"m1"}
        broken.clear()
        wait_for(lambda: api.get("/v1/model").json()["model_version"] == "m3")
        assert {answer["model_version"] for answer in ask(api).values()} == {"m3"}
        wait_for(lambda: api.get("/healthz").json()["details"] == [])
        assert models["m3"].observed
