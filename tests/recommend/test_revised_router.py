"""A revision of the router goes into service without another model, and what is in service stays whole meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from mos_online.errors import ModelError
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.themes import Router
from mos_online.training.report import TrainReport
from mos_online.users.profile import UserProfile
from tests.recommend.test_ranking_of_items import NOW, popularity, query, trained

__all__ = ["trained"]


@pytest.fixture
def recommender(trained: tuple[Registry, TrainReport]) -> Recommender:
    return Recommender.load(trained[0].fetch("candidate"))


def turned(base: Router, moved: list[str], to: int, sequence: int = 1) -> Router:
    """These items point to one theme; they need no row in the base."""
    rows = np.repeat(base.prototypes[to - 1 : to], len(moved), 0)
    return base.revised(moved, rows, prototypes=base.prototypes, tau=base.tau, sequence=sequence)


def themes(recommender: Recommender) -> dict[str, int]:
    (ranking,) = recommender.recommend([query(events=["x"], k=10_000)])
    return {item.item_id: item.theme for item in ranking.items}


def test_a_revision_of_the_same_content_leaves_every_score(recommender: Recommender) -> None:
    known = [item.item_id for item in recommender.recommend([query(events=["x"], k=6)])[0].items]
    profile = UserProfile(
        user_id="u",
        router_epoch=recommender.router.epoch,
        item_ids=known[:4],
        timestamps=[NOW - 10_000 + n for n in range(4)],
        categories=[None] * 4,
        session_lengths=[4],
        session_themes=[1],
        theme_sessions={1: 1},
        session_count=1,
        last_ended_at=NOW - 5000,
    )
    asked = [query(profile, known[4:]), query(events=known)]
    same = recommender.revised(turned(recommender.router, [], 1))
    assert same.recommend(asked) == recommender.recommend(asked)


def test_items_are_scored_in_their_new_theme_and_the_old_recommender_goes_on(recommender: Recommender) -> None:
    recommender.observe_popularity([popularity(fresh=5.0)])
    before = themes(recommender)
    moved = [item for item, theme in before.items() if theme == 1][:5]
    after = recommender.revised(turned(recommender.router, [*moved, "fresh"], 2))
    found = themes(after)
    assert {found[item] for item in (*moved, "fresh")} == {2}
    assert {item: theme for item, theme in found.items() if item not in {*moved, "fresh"}} == {
        item: theme for item, theme in before.items() if item not in {*moved, "fresh"}
    }
    assert themes(recommender) == before
    assert (after.router.sequence, after.router_version) == (1, after.router.version)
    assert after.model_version == recommender.model_version


def test_items_that_come_after_a_revision_get_its_rows(recommender: Recommender) -> None:
    after = recommender.revised(turned(recommender.router, ["later"], 3))
    assert "later" not in themes(after)
    snapshot: PopularitySnapshot = popularity(later=5.0)
    after.observe_popularity([snapshot])
    assert themes(after)["later"] == 3


def test_a_revision_of_a_revision_starts_from_the_model(recommender: Recommender) -> None:
    """Items that the second one does not name have their theme of the base again: revisions do not add up."""
    before = themes(recommender)
    moved = [item for item, theme in before.items() if theme == 1][:5]
    first = recommender.revised(turned(recommender.router, moved, 2))
    second = first.revised(turned(recommender.router, [], 2, sequence=2))
    assert themes(second) == before


def test_a_router_of_another_epoch_is_refused(recommender: Recommender) -> None:
    base = recommender.router
    tensors = base.tensors()
    other = Router(
        items=base.items,
        table=tensors["table"],
        prototypes=tensors["prototypes"][::-1].copy(),
        category_rows=base.category_rows,
        category_table=tensors["category_table"],
        categories=base.categories,
        tau=base.tau,
        labels=base.labels,
        config=base.config,
    )
    with pytest.raises(ModelError, match=f"is of epoch {other.epoch}, model {recommender.model_version}"):
        recommender.revised(other)
