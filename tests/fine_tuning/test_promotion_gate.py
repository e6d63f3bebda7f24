"""The gate: which candidates pass, and what is said of the others."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from msgspec.structs import replace

from mos_online.arrays import Floats
from mos_online.contracts import RankedItem
from mos_online.errors import ModelError
from mos_online.fine_tuning.gate import Verdict, decide
from mos_online.fine_tuning.judged import Judged
from mos_online.fine_tuning.shadow import REQUESTS, WARM_UP, Shadow, logged_requests, shadow
from mos_online.fine_tuning.slices import NEW_ITEMS
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender
from mos_online.users.ring_sizes import RingSizes
from tests.learning.records import outcome, session
from tests.themes.test_gate import BASE

COUNT = 2000
USERS = np.arange(COUNT) // 5
HALF = np.arange(COUNT) % 2 == 0
EARLIER = np.arange(300) // 3


def judged(
    auc: Floats | float,
    *,
    ndcg: Floats | float = 0.3,
    confidence: float = 0.2,
    of_new: float = 0.7,
    count: int = COUNT,
) -> Judged:
    """A model of this AUC at every position, whose first item is right as often as not."""
    noise = np.random.default_rng(0).normal(0, 0.05, count)
    return Judged(
        auc=np.full(count, auc) + noise,
        auc_of_new=np.full(count, of_new) + noise,
        ndcg=np.full(count, ndcg) + noise,
        confidence=np.full(count, confidence),
        right=(np.arange(count) % 5 == 0).astype(float),
    )


SHADOW = Shadow(logged=0, overlap=0.7, items=(90, 100), latency=(0.001, 0.001))


def verdict(candidate: Judged, *, earlier: float = 0.8, answers: Shadow = SHADOW) -> Verdict:
    return decide(
        candidate,
        judged(0.8),
        USERS,
        {"same theme": HALF, "first sessions": ~HALF, NEW_ITEMS: HALF, "returning theme": np.arange(COUNT) < 50},
        earlier=(judged(earlier, count=300), judged(0.8, count=300), EARLIER),
        shadow=answers,
    )


def test_a_better_one_passes_and_slices_that_are_too_small_are_not_judged() -> None:
    found = verdict(judged(0.81))
    assert found.passed
    assert found.gauc.mean == pytest.approx(0.01)
    assert set(found.slices) == {"same theme", "first sessions", NEW_ITEMS, "earlier clicks"}


@pytest.mark.parametrize(
    ("candidate", "more", "words"),
    [
        (judged(0.8), {}, "GAUC +0.0000"),
        (judged(0.79), {}, "it must be above 0"),
        (judged(np.where(USERS % 100 == 0, 3.0, 0.8 - 0.01)), {}, "its lower end at least -0.002"),
        (judged(0.8 + np.where(HALF, -0.02, 0.06)), {}, "GAUC on same theme -0.0200"),
        (judged(0.81, of_new=0.6), {}, "GAUC on new items -0.1000"),
        (judged(0.81, ndcg=0.29), {}, "NDCG@10 -0.0100"),
        (judged(0.81), {"earlier": 0.79}, "GAUC on earlier clicks -0.0100"),
        (judged(0.81, confidence=0.215), {}, "calibration error 0.0150, the champion's is 0.00"),
        (judged(0.81), {"answers": replace(SHADOW, latency=(0.2, 0.1))}, "took 200.0 ms, with the champion 100.0 ms"),
        (
            judged(0.81),
            {"answers": replace(SHADOW, items=(49, 100))},
            "are 49 different ones, those of the champion 100",
        ),
    ],
)
def test_what_is_not_better_or_harms_anything_is_refused(candidate: Judged, more: dict[str, Any], words: str) -> None:
    found = verdict(candidate, **more)
    assert not found.passed
    assert any(words in reason for reason in found.reasons), found.reasons


def test_targets_that_nobody_knew_do_not_count() -> None:
    candidate, champion = judged(0.81), judged(0.8)
    candidate.auc[:100] = champion.auc[:100] = np.nan
    found = decide(candidate, champion, USERS, {}, earlier=(candidate, champion, USERS), shadow=SHADOW)
    assert (found.passed, found.gauc.positions) == (True, COUNT - 100)


class _Answers:
    """A recommender whose users all get these items."""

    def __init__(self, *items: str, fallback: str | None = None) -> None:
        self.items, self.fallback = items, fallback
        self.asked = 0

    def recommend(self, queries: list[Query]) -> list[Ranking]:
        self.asked += len(queries)
        items = [RankedItem(item_id=item, score=1.0, theme=1) for item in self.items]
        return [Ranking(items=items, themes=[], fallback=cast("Any", self.fallback), candidates=0) for _ in queries]


def answers(candidate: _Answers, champion: _Answers) -> Shadow:
    query = Query(user_id="", profile=None, events=[], timestamp=0, k=1, exclude=[])
    requests = [query] * (REQUESTS + WARM_UP)
    return shadow(cast("Recommender", candidate), cast("Recommender", champion), requests)


def test_both_are_asked_the_same_and_their_first_items_are_compared() -> None:
    one, other = _Answers("a", "b", "c"), _Answers("b", "c", "d", "e")
    found = answers(one, other)
    assert (found.overlap, found.items) == (0.5, (3, 4))
    assert min(found.latency) > 0
    assert one.asked == other.asked == REQUESTS + WARM_UP


def test_a_candidate_that_falls_back_where_the_champion_answers_cannot_serve() -> None:
    good, bad = _Answers("a"), _Answers("a", fallback="no_known_items")
    assert answers(good, bad).overlap == 1
    with pytest.raises(ModelError, match="fallback no_known_items"):
        answers(bad, good)


def test_users_are_as_they_were_when_the_service_was_asked() -> None:
    sessions = [
        session("u1", 1, closed_at=1000, items=["0-0", "0-1"]),
        session("u1", 2, closed_at=2000, items=["1-0", "1-1"]),
        session("u2", 3, closed_at=1500, items=["2-0"]),
        session("u3", 4, closed_at=1500, items=["3-0"]),
    ]
    asked = [
        outcome(str(at), user, closed_at=at + 10) for at, user in ((1999, "u1"), (999, "u1"), (2000, "u1"), (7, "u2"))
    ]
    asked = [replace(one, timestamp=one.window_end - 10) for one in asked]
    first, early, middle, late = logged_requests(asked, sessions, BASE, RingSizes(recent=5, theme=5))
    assert (first.user_id, first.profile, first.events) == ("u2", None, [])
    assert (early.profile, [event.item_id for event in early.events]) == (None, ["0-0"])
    assert middle.profile is not None
    assert (middle.profile.item_ids, middle.profile.theme_sessions) == (["0-0", "0-1"], {1: 1})
    assert [event.item_id for event in middle.events] == ["1-0"]
    assert late.profile is not None
    assert (late.profile.session_count, late.events, late.timestamp) == (2, [], 2000)
