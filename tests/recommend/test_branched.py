"""Recommenders of one model beside each other: they share the weights and nothing that one of them observes."""

from __future__ import annotations

import torch

from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry
from mos_online.training.report import TrainReport
from mos_online.users.profile import UserProfile
from tests.recommend.test_ranking_of_items import NOW, popularity, query, trained
from tests.recommend.test_revised_router import themes, turned

__all__ = ["trained"]


def loaded(trained: tuple[Registry, TrainReport]) -> Recommender:
    return Recommender.load(trained[0].fetch("candidate"))


def test_a_branch_answers_as_the_model_that_was_loaded_whatever_the_other_one_observed(
    trained: tuple[Registry, TrainReport],
) -> None:
    fresh = loaded(trained)
    before, asked = themes(fresh), [query(events=list(themes(fresh))[:3])]
    expected = fresh.recommend(asked)
    fresh.observe_popularity([popularity(early=5.0)])
    revised = fresh.revised(turned(fresh.router, [*list(before)[:4], "early"], 2))
    branch = revised.branched(own_router=True)
    assert branch.recommend(asked) == expected
    assert themes(branch) == before
    assert branch.router is fresh.base
    assert themes(revised)["early"] == 2

    branch.observe_popularity([popularity(late=5.0)])
    revised.observe_popularity([popularity(early=5.0, other=5.0)])
    assert themes(branch).keys() - before.keys() == {"late"}
    assert themes(revised).keys() - before.keys() == {"early", "other"}
    again = branch.revised(turned(branch.router, ["late"], 3))
    again.observe_popularity([popularity(late=5.0, other=5.0)])
    assert themes(again)["late"] == 3
    assert themes(again).keys() == {*before, "late", "other"}


def test_weights_are_shared(trained: tuple[Registry, TrainReport]) -> None:
    first = loaded(trained)
    second = first.branched(own_router=False)
    theirs = dict(second._model.named_parameters())
    assert all(parameter is theirs[name] for name, parameter in first._model.named_parameters())
    for name in ("item_theme", "item_category"):
        assert getattr(first._model, name).data_ptr() != getattr(second._model, name).data_ptr()
        assert torch.equal(getattr(first._model, name), getattr(second._model, name))


def test_a_branch_of_its_own_router_routes_sessions_that_another_revision_has_routed(
    trained: tuple[Registry, TrainReport],
) -> None:
    model = loaded(trained)
    known = themes(model)
    item = next(item for item, theme in known.items() if theme == 1)
    profile = UserProfile(
        user_id="u",
        router_epoch=model.router.epoch,
        item_ids=[item] * 2,
        timestamps=[NOW - 9, NOW - 8],
        categories=[None] * 2,
        session_lengths=[2],
        session_themes=[4],
        theme_sessions={4: 1},
        session_count=1,
        last_ended_at=NOW - 8,
    )
    own, shared = model.branched(own_router=True), model.branched(own_router=False)
    routed = model.router.session_themes([item] * 2, [None] * 2, [2])
    assert routed != [4]
    (mine,), (theirs,) = own.recommend([query(profile)]), shared.recommend([query(profile)])
    assert {share.theme for share in mine.themes} <= set(routed)
    assert {share.theme for share in theirs.themes} <= {4}
    assert mine.themes != theirs.themes
