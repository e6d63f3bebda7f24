"""Which part of a log the demo learns from, and which part it replays."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mos_cli.utc import utc_text
from mos_online.errors import DatasetError
from simulator.dataset import Dataset
from simulator.window import window

FEWEST = 400
"""A model is not worth making from fewer clicks."""


@dataclass(frozen=True, kw_only=True)
class DemoLog:
    """A log, cut in two.

    Attributes:
        before: the events before the replay, to learn from, and all items.
        replayed: the clicks to replay; columns of ``Dataset.events``.
    """

    before: Dataset
    replayed: pl.DataFrame

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.before.name

    @property
    def span(self) -> tuple[int, int]:
        """Times of the first and the last click of the replay, ms since epoch."""
        return int(self.replayed["timestamp"][0]), int(self.replayed["timestamp"][-1])

    def __str__(self) -> str:
        first, last = map(utc_text, self.span)
        return (
            f"[bold]{self.name}[/]: {len(self.before.clicks):,} clicks before {first} UTC to learn from, "
            f"{len(self.replayed):,} to replay until {last}"
        )


def cut(whole: Dataset, *, start: str, count: int) -> DemoLog:
    """Cut a log where the replay begins.

    Raises:
        DatasetError: there is too little of it.
    """
    replayed = window(whole.clicks, start=start, count=count)
    begin = int(replayed["timestamp"][0])
    before = whole.before(begin)
    clicks = len(before.clicks)
    if clicks < FEWEST:
        raise DatasetError(
            f"{clicks} clicks before {utc_text(begin)} are too few to train on, {FEWEST} are needed: start later"
        )
    return DemoLog(before=before, replayed=replayed)
