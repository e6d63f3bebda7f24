"""The half-life is chosen by what it predicts, on the newest events only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from mos_online.baselines import (
    LastItemKnn,
    RecentPopularity,
    choose_half_life,
    choose_knn,
    choose_list_rules,
    popularity_repeats,
)

HOUR = 3_600_000
SHORT, LONG = HOUR, 1000 * HOUR
GAP = 30 * 60_000


def log(rows: Sequence[tuple[str, str, int]]) -> pl.DataFrame:
    """(user, item, ms) in order of time."""
    named = [(user, item, f"e{number}", time) for number, (user, item, time) in enumerate(rows)]
    made = pl.DataFrame(named, schema=["user_id", "item_id", "event_id", "timestamp"], orient="row")
    return made.with_columns(event_type=pl.lit("click"))


def news(hours: int) -> pl.DataFrame:
    """Every hour has articles of its own."""
    rng = np.random.default_rng(0)
    return log(
        [(f"u{n}", f"{hour}-{rng.integers(15)}", hour * HOUR + n * 30_000) for hour in range(hours) for n in range(100)]
    )


def classics(hours: int) -> pl.DataFrame:
    """The same items for ever, a few much liked, a hundred others not."""
    rng = np.random.default_rng(1)
    liked = 0.5 ** (np.arange(150) / 10)
    picked = rng.choice(150, 20 * hours, p=liked / liked.sum())
    return log([(f"u{n}", f"i{item}", n * HOUR // 20) for n, item in enumerate(picked)])


def test_news_fades_and_classics_stay() -> None:
    assert choose_half_life(news(30), candidates=(LONG, SHORT), judged=1000) == SHORT
    assert choose_half_life(classics(100), candidates=(SHORT, LONG), judged=1000) == LONG


def test_of_equals_the_first() -> None:
    same = log([("u", "only", n * 1000) for n in range(200)])
    assert choose_half_life(same, candidates=(LONG, SHORT), judged=50) == LONG
    assert choose_half_life(same, candidates=(SHORT, LONG), judged=50) == SHORT
    assert choose_half_life(same.clear(), candidates=(SHORT, LONG)) == SHORT


def pairs(flips: int) -> pl.DataFrame:
    """Sessions of two items; which one follows a first item changes ``flips`` times."""
    rng = np.random.default_rng(2)
    rows, count = [], 3000
    for number in range(count):
        first = int(rng.integers(12))
        age = number * (flips + 1) // count
        second = (first + age) % 12 if rng.random() < 0.5 else int(rng.integers(12))
        rows += [(f"u{number}", f"a{first}", number * 600_000), (f"u{number}", f"b{second}", number * 600_000 + 1000)]
    return log(rows)


def test_what_follows_an_item_may_change_or_last() -> None:
    def choose(events: pl.DataFrame) -> float:
        best = choose_knn(events, gap_ms=GAP, popularity_half_life_ms=LONG, candidates=(5 * SHORT, LONG), judged=600)
        return best.half_life_ms

    assert choose(pairs(flips=30)) == 5 * SHORT
    assert choose(pairs(flips=0)) == LONG


def visits(*, resumed: bool) -> pl.DataFrame:
    """Sessions of two items each. The first item follows the last of the user's session before, or is the popular one.

    Popular items are all that a session begins with where sessions are not resumed.
    """
    rng = np.random.default_rng(4)
    rows, last = [], dict.fromkeys(range(40), 0)
    for number in range(1500):
        user = int(rng.integers(40))
        first = (last[user] + 1) % 30 if resumed else 0
        second = (first + 1) % 30 if resumed else int(rng.integers(1, 30))
        time = number * 600_000
        rows += [(f"u{user}", f"i{first}", time), (f"u{user}", f"i{second}", time + 1000)]
        last[user] = second
    return log(rows)


@pytest.mark.parametrize("resumed", [True, False])
def test_whether_sessions_are_resumed_is_seen_in_the_log(resumed: bool) -> None:
    events = visits(resumed=resumed)
    best = choose_knn(events, gap_ms=GAP, popularity_half_life_ms=LONG, candidates=(LONG,), judged=600, every=1)
    assert best.resumes == resumed

    def knn(fill: RecentPopularity, resumes: bool) -> LastItemKnn:
        return LastItemKnn(gap_ms=GAP, half_life_ms=LONG, fill=fill, resumes=resumes)

    rules = choose_list_rules(events, knn, popularity_half_life_ms=LONG, judged=600, every=1)
    assert rules.resumes == resumed


def carts(*, again: bool) -> pl.DataFrame:
    """Sessions of three items that go together. Users come back for the same ones, or for those that they miss."""
    rng = np.random.default_rng(5)
    rows, bundles = [], [list(rng.permutation(40)) for _ in range(60)]
    for number in range(600):
        user = int(rng.integers(60))
        bundle = bundles[user][0] if again else bundles[user].pop()
        time = number * 600_000
        rows += [(f"u{user}", f"i{bundle}-{n}", time + 1000 * n) for n in rng.permutation(3).tolist()]
    return log(rows)


@pytest.mark.parametrize("again", [True, False])
def test_whether_items_are_repeated_is_seen_in_the_log(again: bool) -> None:
    """With the item clicked last goes the one clicked before it: a list begins with it, unless it is left out."""
    events = carts(again=again)
    best = choose_knn(events, gap_ms=GAP, popularity_half_life_ms=LONG, candidates=(LONG,), judged=900, every=1)
    assert best.repeats == again

    def knn(fill: RecentPopularity, resumes: bool) -> LastItemKnn:
        return LastItemKnn(gap_ms=GAP, half_life_ms=LONG, fill=fill, resumes=resumes)

    rules = choose_list_rules(events, knn, popularity_half_life_ms=LONG, judged=900, every=1)
    assert rules.repeats == again


def test_popularity_leaves_out_what_nobody_takes_twice() -> None:
    ring = log([(f"u{n % 10}", f"i{n // 10 + n % 3}", n * 1000) for n in range(900)])
    fans = log([(f"u{n % 10}", f"i{n % 10}", n * 1000) for n in range(900)])
    assert not popularity_repeats(ring, half_life_ms=LONG, judged=300)
    assert popularity_repeats(fans, half_life_ms=LONG, judged=300)
