"""What click probabilities cost an answer of the service: microseconds of the thread that scores.

    python benchmarks/click_probabilities.py [--items 20000]

The level of the scores is part of ``recommend``; the probabilities come after it. The model has random weights.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from co_clicks import HALF_LIFE, counted
from random_router import random_checkpoint

from mos_online.contracts import SessionEvent
from mos_online.learning.fast_weights import ModelWeights
from mos_online.learning.score_map import POSITIONS, Curve
from mos_online.model.co_clicks import FACTS
from mos_online.model.mixing import SOURCES
from mos_online.recommend.query import Query, Ranking
from mos_online.recommend.recommender import Recommender

THEMES, QUERIES = 12, 640
WEIGHTS = ModelWeights.of(
    Curve(intercept=-1.0, slope=0.5, positions=[-0.1] * POSITIONS), dict.fromkeys(range(THEMES + 1), 0.1)
)


def recommender(names: list[str]) -> Recommender:
    """With neighbours from 50,000 clicks."""
    checkpoint = random_checkpoint(names, themes=THEMES, width=48, half_life_ms=HALF_LIFE)
    checkpoint.model.mixing.set_weights(torch.full((SOURCES, FACTS), 0.5))
    made = Recommender(checkpoint)
    made.observe_co_clicks([counted(names, 50_000, 0)])
    return made


def query(names: list[str], rows: list[int]) -> Query:
    """Ten clicks in an open session."""
    events = [SessionEvent(event_id=f"e{n}", item_id=names[row], timestamp=n) for n, row in enumerate(rows)]
    return Query(user_id="u", profile=None, events=events, timestamp=100, k=10, exclude=[])


def microseconds(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    began = time.thread_time()
    work()
    return 1e6 * (time.thread_time() - began)


def probabilities(rankings: list[Ranking]) -> None:
    """What the service adds to a batch of rankings."""
    for ranking in rankings:
        if ranking.score_level is not None:
            WEIGHTS.applied(ranking.items, ranking.score_level)


def level(scores: torch.Tensor) -> list[float]:
    """As ``recommend`` does."""
    with torch.inference_mode():
        found: list[float] = scores.logsumexp(1).tolist()
        return found


def main() -> None:
    """Print a line for each size of a batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    items = parser.parse_args().items
    torch.set_num_threads(1)
    names = [f"item-{number:07}" for number in range(items)]
    service = recommender(names)
    began = (items * np.random.default_rng(9).power(0.4, (QUERIES, 10))).astype(np.int64) % items
    queries = [query(names, rows) for rows in began.tolist()]
    print("| answers at once | an answer | of it, the level of its scores | beside it, 10 probabilities |")
    print("|---|---|---|---|")
    for size in (1, 16):
        whole, levels, after = [], [], []
        for start in range(0, QUERIES, size):
            batch = queries[start : start + size]
            rankings = service.recommend(batch)
            whole.append(microseconds(partial(service.recommend, batch)) / size)
            levels.append(microseconds(partial(level, torch.randn(size, items))) / size)
            after.append(microseconds(partial(probabilities, rankings)) / size)
        found = " | ".join(f"{statistics.median(part):.0f} µs" for part in (whole, levels, after))
        print(f"| {size} | {found} |", flush=True)


if __name__ == "__main__":
    main()
