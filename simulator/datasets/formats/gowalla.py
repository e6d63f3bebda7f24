"""Gowalla check-ins, as first published and as filtered for the recommendation of places."""

from __future__ import annotations

from typing import Any

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.layout import refuse

NUMBER = r"-?\d+(\.\d+)?"


def _wall_clock(frame: pl.DataFrame) -> pl.DataFrame:
    """Seconds as what a clock on a wall showed; the zone then says when that was."""
    seconds = frame["time"].str.strip_chars().cast(pl.Float64, strict=False)
    sane = seconds.is_between(0, 2**32).fill_null(value=False)
    frame = refuse(frame, ~pl.lit(sane) & (pl.col("time").str.strip_chars() != ""), "unreadable_time", pl.col("time"))
    milliseconds = (seconds.set(~sane, None) * 1000).round().cast(pl.Int64)
    return frame.with_columns(milliseconds.cast(pl.Datetime("ms")).alias("time"))


def _places(title: str, **rest: Any) -> Delimited:
    return Delimited(
        title=title,
        columns=("user", "place", "time"),
        separator="\t",
        header=False,
        quoted=False,
        user="user",
        item="place",
        time="time",
        unit="s",
        event="checkin",
        **rest,
    )


FORMAT = Format(
    name="gowalla",
    title="Gowalla check-ins",
    source='E. Cho, S. A. Myers, J. Leskovec, "Friendship and mobility", KDD 2011; Y. Liu et al., "An experimental '
    'evaluation of point-of-interest recommendation in location-based social networks", VLDB 2017',
    layouts=(
        Delimited(
            title="Gowalla of SNAP, loc-gowalla_totalCheckins.txt",
            columns=("user", "time", "latitude", "longitude", "place"),
            separator="\t",
            header=False,
            quoted=False,
            user="user",
            item="place",
            time="time",
            unit="iso",
            event="checkin",
            signs={"latitude": NUMBER, "longitude": NUMBER},
        ),
        _places(
            "Gowalla of Liu et al.",
            zone="Etc/GMT+8",
            signs={"time": r"\d+\.\d+"},
            adapt=_wall_clock,
            note="the clock of this copy, which writes seconds with a fraction, is taken as 8 hours behind UTC: its "
            "first events then equal those of SNAP; --zone UTC reads it as it stands",
        ),
        _places("Gowalla check-ins, seconds in UTC"),
    ),
    siblings=(
        Sibling(
            "a split of Gowalla with numbers of visits, or its coordinates",
            "which has no times",
            most_lines(r"\d+\t\d+\t\d{1,6}|\d+\t-?\d+\.\d+\t-?\d+\.\d+"),
        ),
    ),
    files=("*[Cc]heckins*",),
)
