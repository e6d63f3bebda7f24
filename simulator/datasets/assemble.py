"""From rows that have been checked to a ``Dataset``."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import IMPRESSION, ITEM_COLUMNS, Dataset, has_clock, numbered
from simulator.datasets.check import empty_events
from simulator.datasets.report import ReadReport

_IDENTITY = ("user_id", "item_id", "timestamp", "event_type", "session_id")


def assemble(
    name: str,
    chunks: Sequence[pl.DataFrame],
    report: ReadReport,
    *,
    items: pl.DataFrame | None = None,
    strict: bool = True,
) -> Dataset:
    """Put chunks together, in the order of time.

    An impression that was clicked (value above 0) becomes a ``click``; the others stay impressions.

    Args:
        name: of the dataset.
        chunks: of ``Check.take``, in the order of the source.
        report: of the check.
        items: columns of ``ITEM_COLUMNS``; None: those of the events, each with the last category it was seen in.
        strict: whether an item of the catalogue must occur in the events.

    Raises:
        DatasetError: ``strict``, there are items, and none of them occurs in the events.
    """
    frame = pl.concat(chunks, how="vertical") if chunks else empty_events()
    if items is None:
        items = _items_of(frame)
    elif strict and len(items) and len(frame) and not items["item_id"].is_in(frame["item_id"].unique().implode()).any():
        raise DatasetError(
            f"{name}: none of the {len(items):,} items of its catalogue occurs in its events: the items are "
            f"{_few(items)}, the events have {_few(frame)}; give both the same ids"
        )
    if "value" in frame.columns:
        clicked = (pl.col("event_type") == IMPRESSION) & (pl.col("value") > 0)
        frame = frame.with_columns(event_type=pl.when(clicked).then(pl.lit("click")).otherwise("event_type"))
    frame = frame.select(_IDENTITY)
    report.session = report.session or _sessions(frame)
    events = numbered(frame.lazy(), name).select(
        "user_id", "item_id", "event_id", "timestamp", "event_type", "session_id"
    )
    return Dataset(name=name, events=events.collect(), items=items, report=report)


def _sessions(frame: pl.DataFrame) -> str:
    """What a session is where nobody has said it."""
    if not has_clock(frame["timestamp"]):
        return "a user's day: the times are whole days"
    given = len(frame) - frame["session_id"].null_count()
    ids = f", or the publisher's, which {given / len(frame):.0%} of the events have" if given else ""
    return f"the clicks of a user without a long gap{ids}"


def _items_of(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per item, with the last category that it was seen in."""
    items = frame["item_id"].unique(maintain_order=True).to_frame()
    if "category" in frame.columns:
        known = frame.select("item_id", "category").drop_nulls("category")
        items = items.join(known.unique("item_id", keep="last"), on="item_id", how="left", maintain_order="left")
    else:
        items = items.with_columns(category=pl.lit(None, pl.String))
    return items.with_columns(title=pl.lit(None, pl.String)).select(list(ITEM_COLUMNS))


def _few(frame: pl.DataFrame) -> str:
    return ", ".join(repr(item) for item in frame["item_id"].head(3))
