"""The half-life is chosen by what it predicts, on the newest events only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from mos_online.baselines import choose_half_life, choose_knn_half_life

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
        return choose_knn_half_life(
            events, gap_ms=GAP, popularity_half_life_ms=LONG, candidates=(5 * SHORT, LONG), judged=600
        )

    assert choose(pairs(flips=30)) == 5 * SHORT
    assert choose(pairs(flips=0)) == LONG
