"""Normalised mutual information."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from mos_online.metrics.agreement import mutual_information

labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(a=labels, seed=st.integers(0, 9))
@example(a=[0] * 6, seed=0)
def test_names_and_order_do_not_matter(a: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    b = rng.integers(0, 4, len(a))
    renamed = np.array(["v", "w", "x", "y", "z"])[rng.permutation(5)][a]
    assert mutual_information(a, renamed) == pytest.approx(1.0)
    value = mutual_information(a, b)
    assert -1e-9 <= value <= 1 + 1e-9
    assert mutual_information(b, a) == pytest.approx(value)
    order = rng.permutation(len(a))
    assert mutual_information(np.array(a)[order], b[order]) == pytest.approx(value)


def test_by_hand() -> None:
    """Two groups of two; one of the four things is put into the wrong one."""
    information = 0.5 * np.log(0.5 / (0.5 * 0.75)) + 0.25 * np.log(0.25 / (0.5 * 0.25)) + 0.25 * np.log(0.25 / 0.375)
    entropies = np.log(2) - 0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert mutual_information([0, 0, 1, 1], [0, 0, 0, 1]) == pytest.approx(2 * information / entropies)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1], [1, 2]), ([[1]], [[1]])])
def test_what_cannot_be_compared_is_refused(a: list[int], b: list[int]) -> None:
    with pytest.raises(DatasetError, match="two of one length"):
        mutual_information(a, b)
