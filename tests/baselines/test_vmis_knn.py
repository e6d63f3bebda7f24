"""VMIS-kNN against its definition, recomputed from the whole log without an index."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.baselines import RecentPopularity, VmisKnn, vmis_knn
from mos_online.contracts import SESSION_END, Click

GAP = 3000
ITEMS = "abcdefgh"
USERS = "uvwxyz"


def clicks_of(steps: Sequence[tuple[str, str, int]]) -> list[Click]:
    """(user, item, ms since the click before) -> clicks in order of time."""
    made, now = [], 0
    for number, (user, item, step) in enumerate(steps):
        now += step
        kind = SESSION_END if item == SESSION_END else "click"
        made.append(Click(event_id=f"e{number}", user_id=user, item_id=item, timestamp=now, event_type=kind))
    return made


def knn_of(clicks: Sequence[Click], *, resumes: bool = False, **sizes: int) -> VmisKnn:
    fill = RecentPopularity(half_life_ms=1000)
    knn = VmisKnn(gap_ms=GAP, fill=fill, resumes=resumes, **sizes)
    for click in clicks:
        fill.observe(click)
        knn.observe(click)
    return knn


step = st.tuples(st.sampled_from(USERS), st.sampled_from([*ITEMS, SESSION_END]), st.sampled_from([0, 100, 1000, 2900]))
sparse = st.lists(step, min_size=1, max_size=40).map(clicks_of)


def crowded(seed: int) -> list[Click]:
    """Many sessions with few items, so that bounds and ties are met."""
    draw = random.Random(seed)
    items = [*"abcde" * 3, SESSION_END]
    return clicks_of([(draw.choice(USERS), draw.choice(items), draw.choice([0, 100, 1000])) for _ in range(40)])


logs = sparse | st.integers(0, 10**9).map(crowded)


@dataclass
class Visit:
    user: str
    clicks: list[tuple[int, Click]] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.clicks[-1][0]

    @property
    def items(self) -> list[str]:
        """Different items, the one clicked last first."""
        return list(dict.fromkeys(click.item_id for _, click in reversed(self.clicks)))


def visits_of(clicks: Sequence[Click]) -> tuple[list[Visit], dict[str, Visit]]:
    """All sessions held, and the one of each user that nothing has closed."""
    held: list[Visit] = []
    current: dict[str, Visit] = {}
    for number, click in enumerate(clicks):
        user, visit = click.user_id, current.get(click.user_id)
        if click.event_type == SESSION_END:
            current.pop(user, None)
            continue
        late = visit and click.timestamp - visit.clicks[-1][1].timestamp > GAP
        full = visit and len({*visit.items, click.item_id}) > vmis_knn.LONGEST
        if visit is None or late or full:
            visit = current[user] = Visit(user)
            held.append(visit)
        visit.clicks.append((number, click))
        if len(held) > vmis_knn.REMEMBERED:
            oldest = min(held, key=lambda visit: visit.last)
            held.remove(oldest)
            current = {user: visit for user, visit in current.items() if visit is not oldest}
    return held, current


def scores_of(
    clicks: Sequence[Click], user: str, *, newest: int, neighbours: int, longest: int, resumes: bool = False
) -> dict[str, float]:
    """The definition in the docstring of ``VmisKnn``, by brute force."""
    held, current = visits_of(clicks)
    own = current.get(user)
    if own is not None and clicks[-1].timestamp - own.clicks[-1][1].timestamp > GAP:
        own = None
    if own is None and resumes:
        own = max((visit for visit in held if visit.user == user), key=lambda visit: visit.last, default=None)
    if own is None:
        return {}
    items = own.items[:longest]
    position = {item: place for place, item in enumerate(items, 1)}
    sharing = [visit for visit in held if visit is not own and set(visit.items) & set(items)]
    candidates = sorted(sharing, key=lambda visit: -visit.last)[:newest]
    shared = {id(visit): [position[item] for item in visit.items if item in position] for visit in candidates}
    similarity = {key: sum(Fraction(len(items) + 1 - p, len(items)) for p in places) for key, places in shared.items()}
    near = sorted(candidates, key=lambda visit: (-similarity[id(visit)], -visit.last))[:neighbours]
    scores: dict[str, float] = {}
    for visit in near:
        weight = similarity[id(visit)] * max(Fraction(0), 1 - Fraction(min(shared[id(visit)]), 10))
        for item in visit.items:
            holding = sum(item in other.items for other in held)
            scores[item] = scores.get(item, 0.0) + float(weight) * math.log(len(held) / holding)
    return {item: score for item, score in scores.items() if score > 0 and item != items[0]}


@settings(deadline=None)
@given(logs, st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_scores_are_those_of_the_definition_after_every_click(
    clicks: list[Click], newest: int, neighbours: int, longest: int, resumes: bool
) -> None:
    sizes = {"newest": newest, "neighbours": neighbours, "longest": longest}
    knn = knn_of([], resumes=resumes, **sizes)
    for number, click in enumerate(clicks, 1):
        knn.observe(click)
        for user in USERS:
            expected = scores_of(clicks[:number], user, resumes=resumes, **sizes)
            assert knn.scores(user) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(logs, st.integers(1, 6), st.integers(2, 5), st.booleans())
def test_scores_are_those_of_the_definition_over_what_is_remembered(
    clicks: list[Click], remembered: int, longest: int, resumes: bool
) -> None:
    sizes = {"newest": 4, "neighbours": 3, "longest": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vmis_knn, "REMEMBERED", remembered)
        patch.setattr(vmis_knn, "LONGEST", longest)
        knn = knn_of([], resumes=resumes, **sizes)
        for number, click in enumerate(clicks, 1):
            knn.observe(click)
            for user in USERS:
                expected = scores_of(clicks[:number], user, resumes=resumes, **sizes)
                assert knn.scores(user) == pytest.approx(expected, rel=1e-9)
            assert len(knn._sessions) <= remembered
            assert len(knn._newest_of) <= remembered
            held = {item for session in knn._sessions.values() for item in session.items}
            assert knn._held_by.keys() == knn._holding.keys() == held
            assert all(len(session.items) <= longest for session in knn._sessions.values())
            assert all(
                len(numbers) <= 4 + 1 and numbers.keys() <= knn._sessions.keys() for numbers in knn._holding.values()
            )


@settings(deadline=None)
@given(logs, st.sampled_from(USERS), st.integers(1, 8), st.sets(st.sampled_from(ITEMS), max_size=3))
def test_top_is_the_best_scores_then_popularity(clicks: list[Click], user: str, k: int, exclude: set[str]) -> None:
    knn = knn_of(clicks)
    scores = {item: score for item, score in knn.scores(user).items() if item not in exclude}
    top = knn.top(user, k, sorted(exclude))
    near = sorted(scores, key=lambda item: (-scores[item], item))[:k]
    popular = knn_of(clicks)._fill.top(100, [*near, *exclude])
    assert top == near + popular[: k - len(near)]
    assert knn.score(user, list(ITEMS)) == [knn.scores(user).get(item, 0.0) for item in ITEMS]


def test_scores_by_hand() -> None:
    log = [("u", "a"), ("u", "b"), ("v", "b"), ("v", "c"), ("w", "d"), ("z", "a"), ("z", "b")]
    knn = knn_of(clicks_of([(user, item, 1) for user, item in log]))
    # z: b at position 1 weighs 1, a at 2 weighs 1/2. u shares both, v only b; both share position 1: 0.9.
    assert knn.scores("z") == pytest.approx({"a": 1.5 * 0.9 * math.log(4 / 2), "c": 1.0 * 0.9 * math.log(4 / 1)})
    assert knn.top("z", 2) == ["c", "a"]


def test_from_the_tenth_position_back_nothing_is_gained_or_lost() -> None:
    others = [("u", "a"), ("u", "1"), ("u", "both"), ("v", "c"), ("v", "2"), ("w", "d"), ("w", "both")]
    own = [("z", item) for item in "abcdefghijkl"]
    knn = knn_of(clicks_of([(user, item, 1) for user, item in [*others, *own]]), longest=12)
    assert knn.score("z", ["1", "2"]) == [0.0, 0.0]  # by positions 12 and 10
    assert knn.score("z", ["both"]) == pytest.approx([4 / 12 * 0.1 * math.log(4 / 2)])  # by position 9 alone


def test_candidates_are_the_sessions_clicked_last_whenever_they_began() -> None:
    log = [("u", "a"), ("v", "a"), ("v", "1"), ("u", "2"), ("w", "3"), ("z", "a")]
    clicks = clicks_of([(user, item, 1) for user, item in log])
    assert list(knn_of(clicks, newest=1).scores("z")) == ["2"]
    assert list(knn_of(clicks, neighbours=1).scores("z")) == ["2"]
    assert knn_of(clicks).top("z", 2) == ["1", "2"]


def test_candidates_are_counted_over_all_items_of_the_session() -> None:
    log = [("u", "a"), ("u", "b"), ("u", "1"), ("v", "b"), ("v", "2"), ("w", "3"), ("z", "a"), ("z", "b")]
    knn = knn_of(clicks_of([(user, item, 1) for user, item in log]), newest=1)
    assert list(knn.scores("z")) == ["2"]  # u shares more, but v is newer


def test_equal_scores_are_ordered_by_id() -> None:
    knn = knn_of(
        clicks_of([("u", "c", 0), ("u", "a", 0), ("u", "b", 0), ("u", "last", 0), ("w", "x", 0), ("v", "last", 0)])
    )
    assert knn.top("v", 3) == ["a", "b", "c"]


def test_a_late_click_does_not_age_its_session() -> None:
    late = clicks_of([("u", "a", 0), ("u", "b", 10_000 - GAP), ("u", "c", GAP), ("w", "d", 0), ("v", "a", 0)])
    order = [late[1], late[0], late[2], late[3], late[4]]
    assert set(knn_of(order).scores("v")) == {"b", "c"}


def test_an_ended_session_gets_no_neighbours_but_is_one() -> None:
    clicks = clicks_of([("u", "a", 0), ("u", "b", 0), ("w", "d", 0), ("u", SESSION_END, 0), ("v", "a", 1)])
    knn = knn_of(clicks)
    assert (list(knn.scores("v")), knn.scores("u")) == (["b"], {})
    knn.observe(Click(event_id="later", user_id="w", item_id="d", timestamp=clicks[-1].timestamp + GAP + 1))
    assert knn.scores("v") == {}


@settings(deadline=None)
@given(logs)
def test_asking_changes_nothing(clicks: list[Click]) -> None:
    asked, quiet = knn_of([]), knn_of([])
    for click in clicks:
        for user in USERS:
            asked.top(user, 3)
            asked.score(user, list(ITEMS))
        asked.observe(click)
        quiet.observe(click)
    assert [asked.scores(user) for user in USERS] == [quiet.scores(user) for user in USERS]
