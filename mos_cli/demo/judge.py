"""Judges the answers of the service beside counting baselines that know what the service could know."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from mos_cli.demo.log import DemoLog
from mos_online.baselines import HadItems, LastItemKnn, RecentPopularity
from mos_online.contracts import Click
from mos_online.items.clicks import to_clicks
from mos_online.items.popularity import WARM_UP_CLICKS
from mos_online.metrics import PrequentialJudge
from mos_online.training import TrainReport
from simulator.visitors import Asked, K

MOS, POPULARITY, KNN = "mos", "popularity", "knn"
ALL_KNOWING = "_all_knowing"
"""How the names of the baselines end that know every click at once."""

HOUR = 3_600_000
"""In ms."""


class _User(NamedTuple):
    """The item whose neighbours are asked for, and what the user had, if a baseline leaves that out."""

    last: str | None
    had: frozenset[str]


class _Counting:
    """Both baselines, with the clicks up to one moment of the replay after the other."""

    def __init__(self, log: DemoLog, replayed: Sequence[Click], trained: TrainReport, gap_ms: int) -> None:
        self._popularity = RecentPopularity(half_life_ms=trained.half_life_hours * HOUR)
        self._knn = LastItemKnn(
            gap_ms=gap_ms,
            half_life_ms=trained.knn_half_life_hours * HOUR,
            fill=self._popularity,
            resumes=trained.knn_resumes,
        )
        self._had, self._trained = HadItems(), trained
        self._replayed = replayed
        self._learned = 0
        for click in to_clicks(log.before.clicks.tail(WARM_UP_CLICKS), log.before.categories):
            self._learn(click)

    def user(self, user_id: str, published: int) -> _User:
        """What is known of a user, after so many clicks of the replay."""
        self._learn_to(published)
        matters = not (self._trained.popularity_repeats and self._trained.knn_repeats)
        return _User(self._knn.last_item(user_id), frozenset(self._had.of(user_id)) if matters else frozenset())

    def answers(self, user: _User, clicks: int) -> tuple[list[str], list[str]]:
        """Popularity and neighbours of the user's item, after so many clicks of the replay."""
        self._learn_to(clicks)
        popular = self._popularity.top(K, () if self._trained.popularity_repeats else user.had)
        return popular, self._knn.after(user.last, K, () if self._trained.knn_repeats else user.had)

    def _learn_to(self, clicks: int) -> None:
        for click in self._replayed[self._learned : clicks]:
            self._learn(click)
        self._learned = max(self._learned, clicks)

    def _learn(self, click: Click) -> None:
        for learner in (self._popularity, self._knn, self._had):
            learner.observe(click)


def judged(log: DemoLog, asked: Sequence[Asked], trained: TrainReport, *, gap_ms: int) -> PrequentialJudge:
    """Let the baselines answer what the service was asked, and settle all answers.

    A baseline counts the clicks that the service had counted when it answered: those up to its newest one. What the
    user clicked is known at once, as a request carries it. The baselines whose names end with
    ``ALL_KNOWING`` count every click that had been published.

    Args:
        log: its clicks before the replay teach the baselines; those of the replay are in the order of publication.
        asked: what the service answered.
        trained: names the settings of the baselines, which were chosen on clicks before the replay.
        gap_ms: silence that ends a session.
    """
    clicks = to_clicks(log.replayed, log.before.categories)
    times = [click.timestamp for click in clicks]
    known = [min(bisect_right(times, one.counted_to), one.published) for one in asked]
    knowing, counting = (_Counting(log, clicks, trained, gap_ms) for _ in range(2))
    users = [_User(None, frozenset())] * len(asked)
    all_knowing: list[tuple[list[str], list[str]]] = [([], [])] * len(asked)
    fair = list(all_knowing)
    for number in sorted(range(len(asked)), key=lambda number: asked[number].published):
        one = asked[number]
        users[number] = knowing.user(one.user_id, one.published)
        all_knowing[number] = knowing.answers(users[number], one.published)
    for number in sorted(range(len(asked)), key=known.__getitem__):
        fair[number] = counting.answers(users[number], known[number])
    judge = PrequentialJudge()
    for number, one in enumerate(asked):
        (popularity, knn), (popularity_now, knn_now) = fair[number], all_knowing[number]
        rankings = {
            MOS: one.items,
            POPULARITY: popularity,
            KNN: knn,
            POPULARITY + ALL_KNOWING: popularity_now,
            KNN + ALL_KNOWING: knn_now,
        }
        judge.ask(str(number), one.user_id, one.kind, rankings)
        judge.settle(str(number), one.label)
    return judge
