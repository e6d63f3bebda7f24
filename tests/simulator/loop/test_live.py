"""Users of a running service: nothing is lost while it is away, order and pace are kept, logs answer as they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import httpx
import msgspec
import polars as pl
import pytest

from mos_online.errors import DatasetError, ServingError, SettingsError
from mos_online.sessions import SessionConfig
from mos_online.settings import Settings
from simulator.loop.compose import LoopConfig, crowd_visitors
from simulator.loop.config import HOUR, Habits
from simulator.loop.live import LiveLoop, Tally
from simulator.loop.log_visitors import LogVisitors
from simulator.loop.planted import planted
from simulator.loop.service import SiteClient
from simulator.loop.visitors import Visitors
from simulator.population import Population, SyntheticConfig, populate
from simulator.replay.replay import WallClock
from simulator.replay.speed import Speed


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wall(self) -> WallClock:
        return WallClock(monotonic=lambda: self.now, sleep=self.sleep, now_ms=lambda: 0)


class Service:
    """Recommends the first items of the catalogue; ``fails`` says how each call goes wrong, or None."""

    def __init__(self, items: list[str], fails: Callable[[int], int | None] = lambda _: None) -> None:
        self.items, self.fails = items, fails
        self.calls = 0
        self.asked: list[dict[str, object]] = []
        self.taken: dict[str, list[dict[str, object]]] = defaultdict(list)
        self.assigned: dict[str, dict[str, object]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        status = self.fails(self.calls)
        if status == 0:
            raise httpx.ConnectError("nobody there")
        body = msgspec.json.decode(request.content)
        if status is not None and status != 503:
            return httpx.Response(status, text="no")
        if request.url.path == "/v1/events":
            assert 1 <= len(body["clicks"]) + len(body["impressions"]) <= 500
            for kind in ("impressions", "clicks"):
                self.taken[kind] += body[kind]
            return httpx.Response(503 if status else 202, json={"accepted": 1})  # 503: they may be there or not
        if status:
            return httpx.Response(503)
        self.asked += body["requests"]
        assert len({one["user_id"] for one in body["requests"]}) == len(body["requests"]) <= 64
        return httpx.Response(
            200, content=msgspec.json.encode({"responses": [self._answer(r) for r in body["requests"]]})
        )

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        k = int(str(request["k"]))
        items = [{"item_id": item, "score": 1.0, "theme": 0} for item in self.items[:k]]
        user = str(request["user_id"])
        common: dict[str, object] = {
            "assignments": [self.assigned[user]] if user in self.assigned else [],
            "model_version": "m-1",
            "router_version": "r-1",
            "fallback": None,
        }
        return {"request_id": request["request_id"], "user_id": request["user_id"], "items": items, **common}


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(SyntheticConfig(users=60, themes=4, items_per_theme=15, seed=1))


def crowd(population: Population) -> Visitors:
    config = LoopConfig(habits=Habits(absence=0.5 * HOUR, organic=0.6))
    return crowd_visitors(population, config, SessionConfig())


def loop_of(visitors: Visitors, service: Service, clock: Clock, *, speed: str, said: list[str]) -> LiveLoop:
    client = SiteClient(Settings(), transport=httpx.MockTransport(service))
    return LiveLoop(visitors, client, speed=Speed.parse(speed), name="run", say=said.append, clock=clock.wall())


def items_of(population: Population) -> list[str]:
    return population.dataset.items["item_id"].to_list()


def test_nothing_is_lost_or_invented_while_the_service_is_away(population: Population) -> None:
    """Every third call fails in one of three ways, some of them after the events were taken."""
    quiet = Service(items_of(population))
    shaky = Service(items_of(population), lambda n: (0, 503, 429)[n // 3 % 3] if n % 3 == 0 else None)
    said: list[str] = []
    one, two = (
        loop_of(crowd(population), service, Clock(), speed="max", said=said).run(2 * HOUR) for service in (quiet, shaky)
    )
    assert one.requests == two.requests > 100
    assert (one.tries, one.away) == (0, 0)
    assert two.tries == shaky.calls // 3
    assert two.away >= two.tries
    for kind in ("impressions", "clicks"):
        expected = {event["event_id"]: event for event in quiet.taken[kind]}
        assert len(expected) == len(quiet.taken[kind])
        assert {event["event_id"]: event for event in shaky.taken[kind]} == expected
        assert all(event == expected[event["event_id"]] for event in shaky.taken[kind])
    assert (two.impressions_sent, two.impressions_taken) == (two.requests, two.requests)
    assert two.clicks_sent == two.clicks_taken == len(quiet.taken["clicks"])
    assert two.clicks == sum("request_id" in click for click in quiet.taken["clicks"])
    assert two.by_model == {"m-1, r-1": two.requests}
    assert len(said) == 2 * two.tries
    assert said[1].startswith("the service answers again after")


def test_the_stream_finds_no_click_late(population: Population) -> None:
    service = Service(items_of(population))
    loop_of(crowd(population), service, Clock(), speed="max", said=[]).run(2 * HOUR)
    newest, of_user = 0, dict[str, int]()
    for click in service.taken["clicks"]:
        time, user = int(str(click["timestamp"])), str(click["user_id"])
        assert time >= newest - SessionConfig().lateness
        assert time > of_user.get(user, 0)
        newest, of_user[user] = max(newest, time), time
    for request in service.asked:
        events = request["events"]
        assert isinstance(events, list)
        assert all(event["timestamp"] < request["timestamp"] for event in events)
    assert sum(len(request["events"]) > 0 for request in service.asked) > 20  # type: ignore[arg-type]


@pytest.mark.parametrize(("speed", "seconds"), [("120x", 60.0), ("10/s", None)])
def test_the_pace_is_kept(population: Population, speed: str, seconds: float | None) -> None:
    clock = Clock()
    tally = loop_of(crowd(population), Service(items_of(population)), clock, speed=speed, said=[]).run(2 * HOUR)
    assert clock.now == pytest.approx(seconds or tally.requests / 10, rel=0.1)


def test_what_the_service_will_never_take_ends_the_run(population: Population) -> None:
    for status, words in ((422, "refuses a request with status 422: no"), (401, "MOS_API_KEY")):
        service = Service(items_of(population), {1: status}.get)
        with pytest.raises(ServingError, match=words):
            loop_of(crowd(population), service, Clock(), speed="max", said=[]).run(HOUR)


def test_a_service_with_other_items_is_told(population: Population) -> None:
    for items, words in ((["x"] * 20, "the item 'x'"), (items_of(population)[:3], "3 items instead of 10")):
        with pytest.raises(SettingsError, match=words):
            loop_of(crowd(population), Service(items), Clock(), speed="max", said=[]).run(HOUR)


def test_users_of_a_log_answer_with_their_own_clicks(population: Population) -> None:
    log = population.dataset.events.head(600)
    popular = log["item_id"].value_counts(sort=True)["item_id"].to_list()
    service = Service(popular)
    visitors = LogVisitors(log, population.dataset.categories, gap=1_800_000, length=10)
    tally = loop_of(visitors, service, Clock(), speed="max", said=[]).run(10**12)
    columns = ["event_id", "user_id", "item_id", "timestamp"]
    sent = pl.DataFrame(
        [
            (c["event_id"], c["user_id"], c["item_id"], c["timestamp"], c.get("request_id"))
            for c in service.taken["clicks"]
        ],
        schema=[*columns, "request_id"],
        orient="row",
    )
    assert sent.select(columns).sort("event_id").equals(log.select(columns).sort("event_id"))
    hit = sent["item_id"].is_in(popular[:10])
    assert (sent["request_id"].is_not_null() == hit).all()
    assert tally.clicks == hit.sum() > 50
    assert tally.requests == len(service.asked) == 600
    contexts = [click["context"] for click in service.taken["clicks"]]
    assert {str(one["category"]) for one in contexts if isinstance(one, dict)} == set(
        population.dataset.items["category"]
    )
    visitors.require(frozenset(popular))
    with pytest.raises(SettingsError, match="knows none of the items of this log"):
        visitors.require(frozenset({"x"}))
    with pytest.raises(DatasetError, match="no clicks"):
        LogVisitors(log.head(0), {}, gap=1, length=10)


def test_the_order_of_a_user_is_kept_in_a_log() -> None:
    """The second click of a user is asked for when the first one is answered, and with it among the open events."""
    log = pl.DataFrame(
        [("a", "x", "e1", 1000), ("a", "y", "e2", 1000), ("b", "x", "e3", 1000), ("a", "z", "e4", 9_000_000)],
        schema=["user_id", "item_id", "event_id", "timestamp"],
        orient="row",
    ).with_columns(event_type=pl.lit("click"), session_id=pl.lit(None, pl.String))
    service = Service(["y", "x"])
    visitors = LogVisitors(log, {}, gap=1_800_000, length=2)
    assert visitors.judge([]).clicks.tolist() == []
    loop_of(visitors, service, Clock(), speed="max", said=[]).run(10**9)
    opened = [[event["item_id"] for event in one["events"]] for one in service.asked]  # type: ignore[attr-defined]
    assert opened == [[], ["x"], [], []]
    assert [one["user_id"] for one in service.asked] == ["a", "a", "b", "a"]


def test_an_effect_is_planted_in_the_users_whom_the_arm_answers(population: Population) -> None:
    """Not in the control's, and not in those who get the control because the arm was taken back."""
    service = Service(items_of(population))
    users = population.user_ids
    for number, user in enumerate(users):
        arm = {"experiment": "e", "version": 1, "arm": "ab"[number % 2], "probability": 0.5}
        service.assigned[user] = arm | ({"control_because": "rolled_back"} if number % 4 == 3 else {})

    def clicks(effects: dict[str, float]) -> tuple[Tally, Counter[str]]:
        service.taken.clear()
        client = SiteClient(Settings(), transport=httpx.MockTransport(service))
        visitors = crowd_visitors(population, LoopConfig(habits=Habits(absence=0.5 * HOUR)), SessionConfig())
        loop = LiveLoop(
            visitors,
            client,
            speed=Speed.parse("max"),
            name="run",
            say=lambda _: None,
            effects=effects,
            clock=Clock().wall(),
        )
        tally = loop.run(4 * HOUR)
        return tally, Counter(str(one["user_id"]) for one in service.taken["clicks"] if "request_id" in one)

    quiet, before = clicks({})
    tally, after = clicks(planted(["e/b=-1"], Habits()))
    assert set(tally.by_arm) == {"e/a", "e/b"}
    assert tally.by_arm["e/b"][1] == 0 < quiet.by_arm["e/b"][1]
    assert tally.by_arm["e/a"] == quiet.by_arm["e/a"]
    assert {user for user in users if before[user] != after[user]} <= set(users[1::4])


@pytest.mark.parametrize("option", ["b=1", "e/b", "e/b=x", "e/b=nan", "e/b=9"])
def test_an_effect_that_cannot_be_planted_is_refused(option: str) -> None:
    with pytest.raises(SettingsError, match=r"e/b|--effect"):
        planted([option], Habits())
