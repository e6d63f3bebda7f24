"""The loop with the real recommender: nothing is lost on the way, and every way of serving gets the same requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mos_online.contracts import Outcome, Session
from mos_online.errors import SettingsError
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.metrics.agreement import mutual_information
from mos_online.recommend.recommender import Recommender
from mos_online.themes.visits import laid_out
from mos_online.users.ring_sizes import RingSizes
from simulator.loop.compose import LoopConfig, StreamRules, virtual_loop
from simulator.loop.config import HOUR, Drift, Habits
from simulator.loop.kept_visits import KeptVisits
from simulator.loop.measured import Measured, regained
from simulator.loop.oracle import oracle_router
from simulator.loop.served import Served
from simulator.loop.shelf import revise_by
from simulator.loop.virtual import VirtualLoop
from simulator.population import Population, SyntheticConfig, populate
from tests.simulator.loop.small_model import HALF_LIFE, small_checkpoint

DURATION = 6 * HOUR
HABITS = Habits(absence=2.0 * HOUR)


class Watching:
    """A part that remembers what it was given."""

    name, horizon = "watching", 0

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.outcomes: list[Outcome] = []
        self.times: list[int] = []
        self.heard: list[Alarm] = []

    def take(self, batch: LearningBatch) -> None:
        self.sessions += batch.sessions
        self.outcomes += batch.outcomes
        self.times.append(batch.event_time)

    def step(self, event_time: int) -> Sequence[Alarm]:
        assert event_time == self.times[-1]
        return [] if self.heard else [Alarm(trigger="router", event_time=event_time, why="something came")]

    def hear(self, alarm: Alarm) -> None:
        self.heard.append(alarm)

    def status(self) -> Mapping[str, object]:
        return {}


def loop_of(
    population: Population, parts: Sequence[Watching] = (), *, drift: Drift | None = None, ways: int = 2
) -> tuple[VirtualLoop, list[Served]]:
    served = [
        Served(f"way {n}", Recommender(small_checkpoint(population)), RingSizes(recent=10, theme=8))
        for n in range(ways)
    ]
    served[-1].parts += parts
    config = LoopConfig(habits=HABITS, drift=drift, seed=3)
    return virtual_loop(population, served, config, StreamRules(), half_lives=(HALF_LIFE, HALF_LIFE)), served


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(SyntheticConfig(users=120, themes=6, items_per_theme=20, seed=1))


@pytest.fixture(scope="module")
def ran(population: Population) -> tuple[Measured, VirtualLoop, Watching, list[Served]]:
    part = Watching()
    loop, served = loop_of(population, [part], drift=Drift(at=DURATION // 2, moved=1.0, replaced=0.0))
    return loop.run(DURATION), loop, part, served


Ran = tuple[Measured, VirtualLoop, Watching, list[Served]]


def test_every_request_is_answered_by_every_way(ran: Ran) -> None:
    measured, *_ = ran
    assert len(measured.time) > 600
    assert measured.ndcg.shape == (len(measured.time), 2)
    assert np.array_equal(measured.ndcg[:, 0], measured.ndcg[:, 1])  # they are the same model, and nothing has learned
    assert (np.diff(measured.time) >= 0).all()
    assert measured.gain(1, 0, 0, DURATION).mean == 0
    assert measured.lift(1, 0, DURATION) == 0
    expected, error = measured.worth[:, 0].sum(), np.sqrt(measured.worth[:, 0].sum())
    assert measured.clicks.sum() == pytest.approx(expected, abs=4 * error)  # users clicked as their lists are worth


def test_no_click_is_lost_on_its_way(ran: Ran, population: Population) -> None:
    """Clicks into sessions and outcomes, answers into outcomes; all that is old enough has come out."""
    measured, loop, part, served = ran
    stream = loop.stream
    assert stream.refused == 0
    assert {name for name, count in stream.joiner.counts.items() if count} <= {
        "clicks_by_request",
        "clicks_by_item",
        "unattributed_clicks",
    }
    closed = DURATION - 32 * 60_000
    due = measured.time < closed
    assert len(part.outcomes) == pytest.approx(due.sum(), abs=40)
    told = {outcome.request_id: outcome for outcome in part.outcomes}
    assert len(told) == len(part.outcomes)
    assert {outcome.shown_by for outcome in part.outcomes} == {"impressions"}
    named = sum(outcome.clicks_by_request for outcome in part.outcomes)
    assert named == pytest.approx(measured.clicks[due].sum(), abs=30)
    events = sum(len(session.events) for session in part.sessions)
    made = stream.sent["clicks"] - len(population.dataset.events)
    assert 0.7 * made < events <= made
    in_profiles = sum(profile.session_count for profile in served[1].profiles.values())
    assert in_profiles == population.dataset.events["session_id"].n_unique() + len(part.sessions)


def test_parts_get_sessions_and_outcomes_in_the_order_of_event_time(ran: Ran) -> None:
    _, _, part, served = ran
    keys = [(session.watermark // 1000, session.watermark, session.user_id) for session in part.sessions]
    assert keys == sorted(keys)
    assert part.times == sorted(part.times)
    assert [alarm.why for alarm in part.heard] == ["something came"]
    assert served[1].alarms == ["watching: something came"]
    assert served[0].alarms == []


def test_a_drift_costs_themes_and_quality(ran: Ran) -> None:
    measured, *_ = ran
    middle = DURATION // 2
    assert measured.agreement(0, 0, middle) > measured.agreement(0, middle + HOUR, DURATION) + 0.2
    assert measured.quality(0, HOUR, middle).mean > measured.quality(0, middle, middle + HOUR).high


def test_the_same_values_give_the_same_simulation(population: Population) -> None:
    one, two = (loop_of(population, ways=1)[0].run(HOUR) for _ in range(2))
    for name in ("time", "user", "clicks", "ndcg", "closed", "ring", "themes"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_a_model_of_another_population_is_refused(population: Population) -> None:
    known = small_checkpoint(population)
    names = [f"strange-{item}" for item in known.items]
    strange = replace(known, items=names, popular=names[:50])
    served = [Served("strange", Recommender(strange), RingSizes())]
    with pytest.raises(SettingsError, match="120 of the 120 items of the model are not of these users"):
        virtual_loop(population, served, LoopConfig(), StreamRules(), half_lives=(HALF_LIFE, HALF_LIFE))
    with pytest.raises(SettingsError, match="at least one way"):
        virtual_loop(population, [], LoopConfig(), StreamRules(), half_lives=(HALF_LIFE, HALF_LIFE))
    quiet, _ = loop_of(population, ways=1)
    with pytest.raises(SettingsError, match="nobody asks"):
        quiet.run(1)


def test_a_lift_is_that_of_the_requests_in_the_windows_of_users() -> None:
    """The first user asks at 0, 5 and 10, and the second one at 4 and 9."""
    columns = np.zeros(5, np.int64)
    measured = Measured(
        names=["frozen", "online"],
        shown=0,
        time=np.array([0, 4, 5, 9, 10]),
        user=np.array([0, 1, 0, 1, 0]),
        clicks=columns,
        ndcg=np.zeros((5, 2)),
        worth=np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 8.0], [1.0, 16.0]]),
        closed=columns[:0],
        ring=columns[:0],
        themes=columns[:0].reshape(0, 2),
    )
    assert [measured.lift(1, 0, window) for window in (1, 5, 6, 11)] == pytest.approx([0.5, 0.5, 2.5, 5.0])


def test_what_was_regained_is_a_share_of_what_was_lost() -> None:
    assert regained(0.9, 0.5, 1.0) == pytest.approx(0.8)
    assert np.isnan(regained(0.5, 0.5, 0.5))


def test_revisions_regain_themes_after_a_drift(population: Population) -> None:
    """The frozen way keeps its router; the oracle, fitted on what came after the drift, is better than both."""
    served = [
        Served(name, Recommender(small_checkpoint(population)), RingSizes(recent=10, theme=8), counts=name != "frozen")
        for name in ("frozen", "online")
    ]
    shelf, kept = revise_by(served[1], every=100), KeptVisits()
    served[1].parts.append(kept)
    habits = Habits(absence=0.5 * HOUR, organic=1.0)
    config = LoopConfig(habits=habits, drift=Drift(at=HOUR, moved=0.5, replaced=0.0), seed=3)
    loop = virtual_loop(population, served, config, StreamRules(), half_lives=(HALF_LIFE, HALF_LIFE))
    measured = loop.run(DURATION)
    frozen, online = (measured.agreement(way, DURATION - HOUR, DURATION) for way in range(2))
    assert online > frozen + 0.05
    newest = shelf.newest(served[1].recommender.router.epoch, "champion")
    assert newest is not None
    assert newest.sequence == served[1].recommender.router.sequence == shelf.told["promoted"] > 2
    assert served[0].recommender.router.sequence == 0
    base = served[0].recommender.router
    late = [visit for visit in kept.visits if visit.watermark >= loop.begin + HOUR]
    oracle = oracle_router(base, late)
    assert oracle.epoch == base.epoch
    rings = dict(zip(measured.closed.tolist(), measured.ring.tolist(), strict=True))
    true = [rings.get(visit.watermark - loop.begin, -1) for visit in late]
    themes = [router.session_themes(*laid_out(late)) for router in (base, oracle)]
    assert mutual_information(themes[1], true) > mutual_information(themes[0], true) + 0.1
