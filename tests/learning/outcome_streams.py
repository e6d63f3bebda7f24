"""Outcomes of planted click probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from mos_online.contracts import Fallback, Outcome, OutcomeItem

T = 1_700_000_000_000
THEMES = 4
ITEMS = 10

Chance = Callable[[int, int], float]
"""Impression so far and theme -> what is added to the planted log odds of a click."""


def usual(_impression: int, _theme: int) -> float:
    return 0.0


def outcomes(
    answers: int, *, seed: int = 0, chance: Chance = usual, model: str = "m1", shown_by: str = "request"
) -> Iterator[Outcome]:
    """Answers of ten items, one a second; log odds -0.5 + 0.6 x - 0.7 log(1 + position) and what ``chance`` adds."""
    rng = np.random.default_rng(seed)
    xs = -rng.gamma(3, 0.8, (answers, ITEMS))
    themes = rng.choice(THEMES, (answers, ITEMS), p=[0.4, 0.3, 0.2, 0.1]) + 1
    draws = rng.random((answers, ITEMS))
    for number in range(answers):
        level, items = float(rng.normal(0, 5)), []
        for at in range(ITEMS):
            x, theme = float(xs[number, at]), int(themes[number, at])
            z = -0.5 + 0.6 * x - 0.7 * math.log1p(at) + chance(number * ITEMS + at, theme)
            items.append(item(x + level, theme, at, clicked=bool(draws[number, at] < 1 / (1 + math.exp(-z)))))
        yield outcome(number, items, level=level, model=model, shown_by=shown_by)


def item(score: float, theme: int, position: int | None, *, clicked: bool) -> OutcomeItem:
    return OutcomeItem(
        item_id=f"i{position}",
        score=score,
        theme=theme,
        position=position,
        clicks=int(clicked),
        weight=float(clicked),
        first_click_after=5 if clicked else None,
    )


def outcome(
    number: int,
    items: list[OutcomeItem],
    *,
    level: float | None,
    model: str = "m1",
    shown_by: str = "request",
    fallback: Fallback | None = None,
    trigger: str = "request",
) -> Outcome:
    return Outcome(
        request_id=f"r{number}",
        user_id=f"u{number % 97}",
        timestamp=T + 1000 * number,
        window_end=T + 1000 * number + 1_800_000,
        trigger=trigger,  # type: ignore[arg-type]
        shown_by=shown_by,  # type: ignore[arg-type]
        items=items,
        clicks_by_request=sum(one.clicks for one in items),
        clicks_by_item=0,
        candidates=100,
        model_version=model,
        router_version="r",
        fallback=fallback,
        score_level=level,
        fast_version=None,
    )
