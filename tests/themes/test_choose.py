"""The number of themes: planted numbers are found, and the likelihood is the one that is written down."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.errors import ModelError
from mos_online.themes import Router, RouterConfig, TableConfig
from mos_online.themes.choose import (
    STRENGTHS,
    ThemeLikelihoods,
    _Clicks,
    _cross_fitted,
    _split,
    choose_themes,
    theme_likelihoods,
)
from mos_online.themes.cooccurrence import routing_table

CONFIG = RouterConfig(table=TableConfig(dimensions=8))
GRID = (2, 4, 6, 9, 14)
ITEMS = pl.DataFrame(
    {"item_id": ["0-0"], "title": [None], "category": [None]},
    schema_overrides={"title": pl.String, "category": pl.String},
)


def planted(themes: int, *, sessions: int = 1500, noise: float = 0.1, seed: int = 0) -> pl.DataFrame:
    """Sessions of two to six clicks on any of their theme's 15 items, or with probability ``noise`` on any item."""
    rng = np.random.default_rng(seed)
    rows = []
    for session in range(sessions):
        theme = rng.integers(themes)
        for _ in range(rng.integers(2, 7)):
            of = rng.integers(themes) if rng.random() < noise else theme
            rows.append((f"s{session}", f"{of}-{rng.integers(15)}"))
    return pl.DataFrame(rows, schema=["session", "item_id"], orient="row")


@pytest.mark.parametrize("themes", [4, 6, 9])
def test_the_planted_number_is_chosen(themes: int) -> None:
    assert choose_themes(planted(themes), ITEMS, CONFIG, GRID) == themes


def test_the_same_log_gives_the_same_table_whatever_the_order_of_candidates() -> None:
    events = planted(6, sessions=600)
    found = theme_likelihoods(events, ITEMS, CONFIG, (9, 2, 6, 6))
    assert found == theme_likelihoods(events, ITEMS, CONFIG, (2, 6, 9))
    assert found.candidates == (2, 6, 9)
    assert choose_themes(events, ITEMS, CONFIG, (2, 6, 9)) == found.chosen
    assert found == theme_likelihoods(events, ITEMS, replace(CONFIG, themes=3), (2, 6, 9))


def test_the_likelihood_is_that_of_counts_taken_one_by_one() -> None:
    """The same number again, by routing the rest of every session with ``Router.route_items``."""
    events = planted(4, sessions=300)
    found = theme_likelihoods(events, ITEMS, CONFIG, (4,))
    older, newer = _split(events)
    names, table = routing_table(older, CONFIG.table)
    router = Router.from_table(names, table, older, ITEMS, replace(CONFIG, themes=4))

    def clicks(part: pl.DataFrame) -> list[list[tuple[str, int]]]:
        sessions = []
        for (_,), group in part.sort("session").group_by("session", maintain_order=True):
            items = sorted(set(group["item_id"]) & set(names))
            if len(items) > 1:
                rests = [[other for other in items if other != item] for item in items]
                sessions.append(
                    [
                        (i, router.route_items(rest, [None] * len(rest)).theme)
                        for i, rest in zip(items, rests, strict=True)
                    ]
                )
        return sessions

    train = [click for session in clicks(older) for click in session]
    judged = clicks(newer)

    def score(item: str, theme: int, m: float) -> float:
        inside = sum(other == theme for _, other in train)
        prior = (sum(name == item for name, _ in train) + 1) / (len(train) + len(names))
        return math.log((train.count((item, theme)) + m * prior) / (inside + m))

    means = _cross_fitted(
        np.array([[np.mean([score(*click, m) for click in session]) for session in judged] for m in STRENGTHS])
    )
    assert found.sessions == len(judged)
    assert found.means[0] == pytest.approx(float(np.mean(means)), abs=1e-9)
    assert found.errors[0] == pytest.approx(float(np.std(means)) / math.sqrt(len(means)), abs=1e-9)


def test_the_theme_of_the_others_is_the_routers() -> None:
    events = planted(6, sessions=200, noise=0.4)
    names, table = routing_table(events, CONFIG.table)
    router = Router.from_table(names, table, events, ITEMS, replace(CONFIG, unrouted_share=0.3, most_tau=1.0))
    clicks = _Clicks.of(events, names)
    themes = clicks.other_themes(names, router)
    assert 0 in themes
    for at, (item, session) in enumerate(zip(clicks.item, clicks.session, strict=True)):
        rest = [names[other] for other in clicks.item[clicks.session == session] if other != item]
        assert themes[at] == router.route_items(rest, [None] * len(rest)).theme


def test_sessions_are_split_by_their_beginning() -> None:
    events = pl.DataFrame({"session": [*"abcdeabe"], "item_id": [*"12345678"]})
    older, newer = _split(events)
    assert older["session"].to_list() == [*"abcdab"]
    assert newer["session"].to_list() == ["e", "e"]


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 4))
def test_no_session_has_a_say_in_the_choice_that_scores_it(seed: int, sessions: int, choices: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((choices, sessions))
    fitted = _cross_fitted(scores)
    for at in range(sessions):
        changed = scores.copy()
        changed[:, at] = np.arange(choices)
        chosen = int(_cross_fitted(changed)[at])
        assert fitted[at] == scores[chosen, at]
        others = scores[:, 1 - at % 2 :: 2].sum(1)
        assert others[chosen] == pytest.approx(others.max())


tables = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(1, 50), min_size=n, max_size=n, unique=True).map(sorted),
        st.lists(st.floats(-9, -1), min_size=n, max_size=n),
        st.lists(st.floats(0, 1), min_size=n, max_size=n),
    )
)


@given(tables)
def test_the_fewest_themes_within_one_error_of_the_best_are_chosen(
    drawn: tuple[list[int], list[float], list[float]],
) -> None:
    candidates, means, errors = drawn
    found = ThemeLikelihoods(
        candidates=tuple(candidates),
        means=tuple(means),
        errors=tuple(errors),
        sessions=9,
    )
    best = candidates.index(found.best)
    assert means[best] == max(means)
    near = [k for k, mean in zip(candidates, means, strict=True) if mean >= means[best] - errors[best]]
    assert found.chosen == min(near)


def test_bad_candidates_and_logs_too_short() -> None:
    events = planted(4, sessions=300)
    for wrong in [(), (0, 4)]:
        with pytest.raises(ModelError, match="each at least 1"):
            choose_themes(events, ITEMS, CONFIG, wrong)
    with pytest.raises(ModelError, match="share a session"):
        choose_themes(events.head(10), ITEMS, CONFIG)
    fresh = pl.DataFrame({"session": [f"n{i // 2}" for i in range(160)], "item_id": [f"new{i}" for i in range(160)]})
    with pytest.raises(ModelError, match="0 held-out sessions"):
        choose_themes(pl.concat([events, fresh]), ITEMS, CONFIG)
