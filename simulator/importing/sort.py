"""Sorting a log by time that is larger than memory: sorted runs on disk, then merged one stretch of time at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl

TIME = "timestamp"

RUN_BYTES = 128 * 2**20
"""So much of the log is sorted in memory at once. Peak memory is about five times this."""

VALUE_BYTES = 16
"""What polars keeps for a value beside its text."""

SLICES = 128
"""A run is read back in about so many parts: a stretch of time reads only those that it needs."""

SAMPLES = 2048
"""Times of a run that are remembered, to cut the whole log into stretches of about equal size."""


class TimeSort:
    """Sorts frames by ``timestamp``; rows of one moment stay in the order in which they came.

    A frame is kept until ``run_bytes`` have come; these are sorted and written to a file, a *run*. Afterwards the log
    is cut into stretches of time that fit into memory. A stretch is read from every run, and sorted again. Many rows of
    one single moment, more than fit, are in order already: they come run by run.

    Args:
        folder: an empty folder for the runs. It takes about as much space as the result.
        run_bytes: size of a run in memory.
    """

    def __init__(self, folder: Path, run_bytes: int = RUN_BYTES) -> None:
        self._folder = folder
        self._run_bytes = run_bytes
        self._waiting: list[pl.DataFrame] = []
        self._bytes = 0
        self._runs: list[_Run] = []
        self.rows = 0
        """How many have come."""

    def add(self, frame: pl.DataFrame) -> None:
        """Take the next rows; every frame has the same columns."""
        if frame.is_empty():
            return
        self._waiting.append(frame)
        self._bytes += int(frame.estimated_size()) + VALUE_BYTES * frame.width * len(frame)
        self.rows += len(frame)
        if self._bytes >= self._run_bytes:
            self._write_run()

    def sorted(self) -> Iterator[pl.DataFrame]:
        """All rows in order, one stretch of time after the other. Nothing can be added afterwards."""
        if not self._runs:
            if self._waiting:
                yield pl.concat(self._waiting).sort(TIME, maintain_order=True)
            return
        self._write_run()
        for low, high in pairwise(self._cuts()):
            yield from self._stretch(low, high)

    def _write_run(self) -> None:
        if not self._waiting:
            return
        frame = pl.concat(self._waiting, rechunk=False).sort(TIME, maintain_order=True)
        self._waiting, self._bytes = [], 0
        path = self._folder / f"run-{len(self._runs):06}.parquet"
        frame.write_parquet(path, compression="lz4", row_group_size=max(1, len(frame) // SLICES), statistics=True)
        times = frame[TIME]
        step = max(1, len(times) // SAMPLES)
        self._runs.append(_Run(path, int(times[0]), int(times[-1]), times.gather_every(step), step))

    def _cuts(self) -> list[int]:
        """Times that cut the log into stretches of about the size of a run: the first time, ..., the last one plus 1.

        A moment that would fill stretches alone becomes one of its own.
        """
        ends = max(run.last for run in self._runs) + 1
        sampled = pl.concat(
            pl.DataFrame({TIME: run.sample, "stands_for": pl.Series([run.step] * len(run.sample), dtype=pl.Int64)})
            for run in self._runs
        )
        per_stretch = max(1, self.rows // len(self._runs))
        cuts = (
            sampled.sort(TIME)
            .with_columns(stretch=pl.col("stands_for").cum_sum() // per_stretch)
            .group_by("stretch")
            .agg(pl.col(TIME).min())[TIME]
        )
        crowded = cuts.filter(cuts.is_duplicated())
        return sorted({min(run.first for run in self._runs), *cuts.to_list(), *(crowded + 1).to_list(), ends})

    def _stretch(self, low: int, high: int) -> Iterator[pl.DataFrame]:
        """The rows with low <= time < high."""
        runs = [run for run in self._runs if run.first < high and low <= run.last]
        parts = (run.between(low, high) for run in runs)
        if high - low == 1:  # one moment, perhaps of more rows than fit
            yield from (part for part in parts if not part.is_empty())
            return
        there = [part for part in parts if not part.is_empty()]
        if there:
            yield pl.concat(there).sort(TIME, maintain_order=True)


class _Run:
    """A part of the log on disk, sorted by time.

    Attributes:
        first, last: its times.
        sample: every ``step``-th of its times.
    """

    def __init__(self, path: Path, first: int, last: int, sample: pl.Series, step: int) -> None:
        self.path, self.first, self.last, self.sample, self.step = path, first, last, sample, step

    def between(self, low: int, high: int) -> pl.DataFrame:
        """Its rows with low <= time < high; reads only row groups that may hold some."""
        return pl.scan_parquet(self.path).filter(pl.col(TIME) >= low, pl.col(TIME) < high).collect()
