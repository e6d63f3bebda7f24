"""Outcomes whose click probabilities are known, for the benchmarks of fast weights and drift."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mos_online.contracts import Outcome, OutcomeItem

ITEMS = 10
BEGIN = 1_700_000_000_000
EVERY = 100
"""Milliseconds from one answer to the next."""


INTERCEPT = -0.6
"""Of the log odds: about one item in ten is clicked."""


def log_odds(x: float, position: int, intercept: float = INTERCEPT) -> float:
    """Of a click, before any theme has changed."""
    return intercept + 0.5 * x - 0.7 * math.log1p(position)


def planted(
    answers: int,
    *,
    seed: int,
    themes: int,
    offsets: Sequence[float] | None = None,
    drift_at: int = 0,
    intercept: float = INTERCEPT,
) -> Iterator[Outcome]:
    """Answers of ten items each.

    Args:
        answers: how many.
        seed: of all draws.
        themes: K; theme k has a share that is proportional to 1 / (k + 1).
        offsets: what is added to the log odds of themes 1, 2, ... from answer ``drift_at`` on.
        drift_at: see ``offsets``.
        intercept: of the log odds.
    """
    rng = np.random.default_rng(seed)
    share = 1 / (np.arange(themes) + 2.0)
    for number in range(answers):
        xs = (-rng.gamma(3, 1.2, ITEMS)).tolist()
        of = (rng.choice(themes, ITEMS, p=share / share.sum()) + 1).tolist()
        draws = rng.random(ITEMS).tolist()
        items = []
        for position, (x, theme, draw) in enumerate(zip(xs, of, draws, strict=True)):
            z = log_odds(x, position, intercept)
            if offsets is not None and number >= drift_at:
                z += offsets[theme - 1]
            clicked = int(draw < 1 / (1 + math.exp(-z)))
            items.append(
                OutcomeItem(
                    item_id=f"i{position}",
                    score=x,
                    theme=theme,
                    position=position,
                    clicks=clicked,
                    weight=float(clicked),
                    first_click_after=1000 if clicked else None,
                )
            )
        clicks = sum(item.clicks for item in items)
        yield Outcome(
            request_id=f"r{number}",
            user_id=f"u{number % 997}",
            timestamp=BEGIN + EVERY * number,
            window_end=BEGIN + EVERY * number + 1_800_000,
            trigger="request",
            shown_by="request",
            items=items,
            clicks_by_request=clicks,
            clicks_by_item=0,
            candidates=100,
            model_version="m",
            router_version="r",
            fallback=None,
            score_level=0.0,
        )
