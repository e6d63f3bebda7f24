"""``mos experiments estimate`` and ``interleave``: what a log of users says of a model that did not answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mos_cli.experiments.interleave import compared
from mos_online.contracts import Click, Exploration, Outcome, Session, SessionEvent
from mos_online.experiments.confidence_sequence import FIRST_LOOK
from mos_online.experiments.exploration import explore
from mos_online.learning.kept_records import kept_records
from mos_online.learning.log import LearningLog
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.users.ring_sizes import RingSizes
from simulator.loop.compose import LoopConfig, StreamRules, crowd_visitors, loop_with
from simulator.loop.config import HOUR, Habits, Relevance
from simulator.loop.open_events import OpenEvents
from simulator.loop.served import Served
from simulator.loop.virtual import BATCH
from simulator.population import SyntheticConfig, populate
from tests.experiments.test_trial_users import cells_of
from tests.experiments.trial_logs import session
from tests.model_folder import put_into_service
from tests.mos_cli.mos_runs import Mos
from tests.simulator.loop.small_model import HALF_LIFE, small_checkpoint
from tests.simulator.loop.test_virtual import Watching

USERS = "users=150,themes=6,items_per_theme=20,seed=1"
K, POOL, EPSILON = 5, 12, 0.5
BOTH = ("served", "candidate")
EAGER = Habits(relevance=Relevance(next=0.6, same=0.5, owned=0.4, any=0.3), appetite=0.2, absence=0.5 * HOUR)


class Exploring(Served):
    """Answers with one place explored, as the service does, and remembers of which candidates."""

    def __init__(self, recommender: Recommender) -> None:
        super().__init__("exploring", recommender, RingSizes(recent=10, theme=8))
        self.explored: dict[tuple[str, int], Exploration] = {}

    def rank(self, queries: Sequence[Query]) -> list[Ranking]:
        found = []
        for query, ranking in zip(
            queries, super().rank([msgspec.structs.replace(query, k=POOL) for query in queries]), strict=True
        ):
            items = ranking.items[:K]
            pool = [item.item_id for item in ranking.items]
            if ranking.fallback is None and len(pool) == POOL:
                shown = explore(f"{query.user_id}-{query.timestamp}", pool, K, EPSILON)
                items = [ranking.items[pool.index(item)] for item in shown.items]
                self.explored[query.user_id, query.timestamp] = Exploration(epsilon=EPSILON, slot=shown.slot, pool=pool)
            found.append(msgspec.structs.replace(ranking, items=items))
        return found


@pytest.fixture(scope="module")
def log() -> list[Outcome | Session]:
    """Sessions, and outcomes of answers that explored."""
    population = populate(SyntheticConfig.parse(USERS))
    served, part = Exploring(Recommender(small_checkpoint(population))), Watching()
    served.parts.append(part)
    visitors = crowd_visitors(population, LoopConfig(habits=EAGER, length=K, seed=3), StreamRules().sessions)
    loop_with(visitors, (), [served], StreamRules(), half_lives=(HALF_LIFE, HALF_LIFE), refresh=BATCH).run(8 * HOUR)
    outcomes = [
        msgspec.structs.replace(one, exploration=served.explored.get((one.user_id, one.timestamp)))
        for one in part.outcomes
    ]
    return [*part.sessions, *outcomes]


def keep(settings: Settings, log: list[Outcome | Session]) -> None:
    """As the learner does."""
    kept = LearningLog(settings.learning_dir / "log", days=100, megabytes=100)
    cells = cells_of(log, range(len(log)))
    for begin in range(0, len(cells), 500):
        kept.append(cells[begin : begin + 500], {})


def test_the_served_model_is_estimated_as_it_was(
    mos: Mos, mos_home: Settings, tmp_path: Path, log: list[Outcome | Session]
) -> None:
    small_checkpoint(populate(SyntheticConfig.parse(USERS)), spare=0).save_pretrained(tmp_path / "model", "# a card")
    version = put_into_service(open_registry(mos_home), tmp_path / "model")
    keep(mos_home, log)
    assert len(list(kept_records(mos_home.learning_dir / "log"))) == len(log)

    command = ("experiments", "estimate", "--candidate", "champion")
    found = msgspec.json.decode(mos(*command, "--json").out)
    explored = [one for one in log if isinstance(one, Outcome) and one.exploration is not None]
    assert (found["version"], found["answers"]) == (version, len(explored))
    served, candidate = (dict(zip(("mean", "low", "high"), found[name], strict=False)) for name in BOTH)
    plain = [one for one in explored if one.exploration is not None and one.exploration.slot is None]
    truth = sum(item.clicks > 0 for one in plain for item in one.items) / len(plain)
    assert served["low"] < truth < served["high"]
    assert candidate["low"] < truth < candidate["high"]
    assert found["candidate"][7] is None, (
        "not refused: it has the histories and, but for moments, the counts that it had"
    )
    assert abs(candidate["mean"] - served["mean"]) < 0.05 * served["mean"]
    assert "of what users do later" in mos(*command, "--answers", "1000").out


def test_a_log_without_exploration_is_told(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    small_checkpoint(populate(SyntheticConfig.parse(USERS)), spare=0).save_pretrained(tmp_path / "model", "# a card")
    put_into_service(open_registry(mos_home), tmp_path / "model")
    answer = mos("experiments", "estimate", "--candidate", "champion")
    assert answer.status == 2
    assert "no answer explored: start an experiment with an arm that sets `exploration`" in answer.err


def test_clicks_speak_for_the_version_that_gave_the_item() -> None:
    """Of ten items of each version one is clicked: that of a by most users, who come twice and count once."""
    lists = {"a": [f"a{place}" for place in range(10)], "b": [f"b{place}" for place in range(10)]}
    sessions, users = [], 600
    for number in range(2 * users):
        user = number % users
        item = ("b" if user % 5 == 0 else "a") + "0"
        events = [SessionEvent(event_id=f"e{number}-{n}", item_id=one, timestamp=n) for n, one in ((5, "x"), (9, item))]
        if user % 7 == 0:
            events[1] = msgspec.structs.replace(events[1], item_id="elsewhere")
        made = session(number, f"u{user}", [5, 9])
        sessions.append(msgspec.structs.replace(made, started_at=5, ended_at=9, events=events))
    of_a, of_b = ([lists[name]] * len(sessions) for name in "ab")
    found = compared("1", "2", sessions, of_a, of_b, k=10)
    silent = sum(user % 7 == 0 for user in range(users))
    assert (found.sessions, found.without_click) == (2 * users, 2 * silent)
    assert found.preferred.users == users - silent
    assert found.preferred.for_b == sum(user % 7 != 0 and user % 5 == 0 for user in range(users))
    assert found.preferred.for_a + found.preferred.for_b == found.preferred.users
    assert found.preferred.sure_after == FIRST_LOOK


def test_two_versions_are_compared_on_the_log(
    mos: Mos, mos_home: Settings, tmp_path: Path, log: list[Outcome | Session]
) -> None:
    checkpoint = small_checkpoint(populate(SyntheticConfig.parse(USERS)), spare=0)
    checkpoint.save_pretrained(tmp_path / "good", "# a card")
    replace(checkpoint, items=checkpoint.items[::-1]).save_pretrained(tmp_path / "poor", "# a card")
    registry = open_registry(mos_home)
    version, other = put_into_service(registry, tmp_path / "good"), registry.add(tmp_path / "poor")
    command = ("experiments", "interleave", "--b", other)
    assert "let `mos learn` read some first" in mos(*command).err
    keep(mos_home, log)
    found = msgspec.json.decode(mos(*command, "--json").out)
    assert (found["a"], found["b"]) == (version, other)
    assert found["sessions"] == sum(isinstance(one, Session) and one.ended_at > one.started_at + 1 for one in log)
    assert 0 < found["preferred"][0] < FIRST_LOOK
    told = mos(*command, "--sessions", "50").out
    assert "more users with a click are needed before anything is said" in told
    assert "A first filter of frozen models" in told
    assert "are the same version" in mos("experiments", "interleave", "--b", "champion").err


def test_a_request_of_the_log_has_the_events_of_its_own_session() -> None:
    opened = OpenEvents(10)
    for at in (1, 5, 100, 105):
        opened.add("u", [Click(user_id="u", event_id=f"e{at}", item_id="x", timestamp=at)])
    assert [one.timestamp for one in opened.of("u", 106)] == [100, 105]
