"""Last.fm 1K: what a thousand people listened to."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.layout import filled


def _tracks(frame: pl.DataFrame) -> pl.DataFrame:
    """A track without an id is named by its artist and its title."""
    title = pl.concat_str([filled("artist"), filled("track")], separator=" - ")
    return frame.with_columns(item=pl.coalesce(filled("track_id"), title), artist=filled("artist"))


FORMAT = Format(
    name="lastfm-1k",
    title="Last.fm 1K listening",
    source="O. Celma, Music recommendation and discovery, Springer 2010; lastfm-dataset-1K",
    layouts=(
        Delimited(
            title="Last.fm userid-timestamp-artid-artname-traid-traname.tsv",
            columns=("user", "time", "artist_id", "artist", "track_id", "track"),
            separator="\t",
            header=False,
            quoted=False,  # a quote is part of a title
            user="user",
            item="item",
            time="time",
            unit="iso",
            event="play",
            category="artist",
            signs={"user": r"user_\d{6}"},
            period=("2002-01-01", "2010-01-01"),
            expected={"time_out_of_range": 0.001},  # a few plays are of years after the publication
            note="a track without an id is known by its artist and title; the category is the artist",
            adapt=_tracks,
        ),
    ),
    siblings=(
        Sibling(
            "Last.fm profiles of users",
            "which has no events",
            most_lines(r"(user_\d{6}|[0-9a-f]{40}|#?id)\t[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\d{4}|#?id\tgender.*"),
        ),
    ),
)
