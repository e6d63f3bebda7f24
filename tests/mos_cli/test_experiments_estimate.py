"""``mos experiments estimate``: a log of users who were answered with exploration says what a model would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mos_online.contracts import Exploration, Outcome, Session
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
from simulator.loop.served import Served
from simulator.loop.virtual import BATCH
from simulator.population import SyntheticConfig, populate
from tests.experiments.test_trial_users import cells_of
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


def test_the_served_model_is_estimated_as_it_was(
    mos: Mos, mos_home: Settings, tmp_path: Path, log: list[Outcome | Session]
) -> None:
    small_checkpoint(populate(SyntheticConfig.parse(USERS)), spare=0).save_pretrained(tmp_path / "model", "# a card")
    version = put_into_service(open_registry(mos_home), tmp_path / "model")
    kept = LearningLog(mos_home.learning_dir / "log", days=100, megabytes=100)
    cells = cells_of(log, range(len(log)))
    for begin in range(0, len(cells), 500):
        kept.append(cells[begin : begin + 500], {})
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
