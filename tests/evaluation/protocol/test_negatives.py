"""Negatives of the judged positions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluation.protocol.negatives import popular_negatives, themed_negatives


@given(
    pool=st.lists(st.integers(0, 12), max_size=60),
    targets=st.lists(st.integers(1, 12), min_size=1, max_size=20),
    count=st.integers(0, 5),
    seed=st.integers(0, 3),
)
def test_distinct_known_and_never_the_target(pool: list[int], targets: list[int], count: int, seed: int) -> None:
    rows = popular_negatives(np.array(pool, np.int64), np.array(targets), count, np.random.default_rng(seed))
    assert rows.shape == (len(targets), count)
    for row, target in zip(rows.tolist(), targets, strict=True):
        drawn = [item for item in row if item >= 0]
        assert row == drawn + [-1] * (count - len(drawn))
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= set(pool) - {0, target}


def test_as_popular_as_the_pool() -> None:
    pool = np.repeat([1, 2, 3, 4], [500, 300, 150, 50])
    rows = popular_negatives(pool, np.full(20_000, 9), 1, np.random.default_rng(0))
    shares = np.bincount(rows[:, 0], minlength=5)[1:] / len(rows)
    assert np.allclose(shares, [0.5, 0.3, 0.15, 0.05], atol=0.015)


@given(seed=st.integers(0, 20))
def test_themed_ones_are_of_the_targets_theme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    theme = np.concatenate([[0], rng.integers(0, 4, 30)])
    pool, targets = rng.integers(1, 31, 400), rng.integers(1, 31, 50)
    rows = themed_negatives(pool, theme, targets, 3, rng)
    for row, target in zip(rows, targets, strict=True):
        drawn = row[row >= 0]
        assert (theme[drawn] == theme[target]).all()
        assert target not in drawn
        others = set(pool[theme[pool] == theme[target]]) - {target}
        assert min(1, len(others)) <= len(drawn) <= min(3, len(others)) or theme[target] == 0
        assert theme[target] > 0 or not len(drawn)
