"""Sorting by time through runs on disk."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.importing.seen import Repeats
from simulator.importing.sort import TimeSort

MOMENTS = st.lists(st.integers(0, 60) | st.just(7), max_size=300)


@given(
    moments=MOMENTS, cuts=st.lists(st.integers(0, 300), max_size=6), run_bytes=st.sampled_from([1, 600, 4_000, 2**30])
)
def test_whatever_the_runs_it_is_the_stable_sort(
    moments: list[int], cuts: list[int], run_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = pl.DataFrame(
        {"timestamp": moments, "row": range(len(moments))}, schema={"timestamp": pl.Int64, "row": pl.Int64}
    )
    sort = TimeSort(tmp_path_factory.mktemp("runs"), run_bytes)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for start, end in pairwise(edges):
        sort.add(log.slice(start, end - start))
    frames = list(sort.sorted())
    assert sort.rows == len(log)
    assert pl.concat([log.clear(), *frames]).equals(log.sort("timestamp", maintain_order=True))


def test_stretches_are_not_much_larger_than_runs_even_where_one_moment_is_crowded(tmp_path: Path) -> None:
    moments = [day for day in range(40) for _ in range(50)] + [20] * 4000
    sort = TimeSort(tmp_path, 8_000)
    for start in range(0, len(moments), 100):
        sort.add(pl.DataFrame({"timestamp": moments[start : start + 100]}))
    run = len(moments) // len(list(tmp_path.iterdir()))
    assert max(len(frame) for frame in sort.sorted()) <= 2 * run


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=60),
    run_bytes=st.sampled_from([1, 100, 2**30]),
)
def test_repeats_are_counted_across_frames(
    rows: list[tuple[int, int]], run_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sort = TimeSort(tmp_path_factory.mktemp("runs"), run_bytes)
    for row in rows:
        sort.add(pl.DataFrame([row], schema={"timestamp": pl.Int64, "item": pl.Int64}, orient="row"))
    repeats = Repeats()
    for frame in sort.sorted():
        repeats.take(frame)
    assert repeats.count == len(rows) - len(set(rows))
