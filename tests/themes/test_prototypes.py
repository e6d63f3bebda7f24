"""Spherical k-means: properties that any solution has, and blobs that it must find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import ModelError
from mos_online.themes.prototypes import distinct, spherical_kmeans


def unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def blobs(seed: int, sizes: list[int], spread: float = 0.1, dimensions: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Points around orthogonal directions, and the blob of each."""
    rng = np.random.default_rng(seed)
    blob = np.repeat(np.arange(len(sizes)), sizes)
    points = np.eye(dimensions)[blob] + spread * rng.standard_normal((len(blob), dimensions))
    order = rng.permutation(len(blob))
    return unit(points)[order], blob[order]


def test_blobs_are_found_and_ordered_by_size() -> None:
    points, blob = blobs(0, [300, 50, 200, 20, 100, 10])
    centres = spherical_kmeans(points, 6)
    theme = (points @ centres.T).argmax(1)
    for number, (mine, size) in enumerate(zip([0, 2, 4, 1, 3, 5], [300, 200, 100, 50, 20, 10], strict=True)):
        assert set(theme[blob == mine]) == {number}
        assert (theme == number).sum() == size


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(8, 60))
def test_every_centre_is_the_unit_mean_of_its_points(seed: int, count: int, size: int) -> None:
    points = unit(np.random.default_rng(seed).standard_normal((size, 4)))
    centres = spherical_kmeans(points, count, rounds=500)
    assert np.linalg.norm(centres, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = points @ centres.T
    theme = cosines.argmax(1)
    again = np.stack([points[theme == k].sum(0) if (theme == k).any() else centres[k] for k in range(count)])
    moved = (points @ unit(again).T).max(1).mean()
    assert moved <= cosines.max(1).mean() + 1e-4  # nothing left to gain


def test_more_restarts_are_never_worse() -> None:
    points = unit(np.random.default_rng(3).standard_normal((300, 6)))
    quality = [
        float((points @ spherical_kmeans(points, 8, restarts=restarts).T).max(1).mean()) for restarts in (1, 4, 10)
    ]
    assert quality == sorted(quality)


def test_a_seed_gives_the_same_centres_again() -> None:
    points = unit(np.random.default_rng(4).standard_normal((200, 6)))
    assert np.array_equal(spherical_kmeans(points, 7, seed=5), spherical_kmeans(points, 7, seed=5))
    assert not np.array_equal(
        spherical_kmeans(points, 7, seed=5, restarts=1), spherical_kmeans(points, 7, seed=6, restarts=1)
    )


def test_no_centre_is_left_without_points() -> None:
    points, _ = blobs(5, [500, 3, 3, 3])
    centres = spherical_kmeans(points, 4)
    assert (np.bincount((points @ centres.T).argmax(1), minlength=4) > 0).all()


def test_fewer_distinct_points_than_centres() -> None:
    points = np.eye(3, dtype=np.float32)[[0, 1, 2] * 10]
    assert len(spherical_kmeans(points, 3)) == 3
    assert [distinct(points, most) for most in (2, 3, 4)] == [2, 3, 3]
    with pytest.raises(ModelError, match="fewer themes"):
        spherical_kmeans(points, 4)
