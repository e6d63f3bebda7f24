"""30Music: what users of Last.fm played."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.item_table import ItemTable


def _linked(frame: pl.DataFrame) -> pl.DataFrame:
    """Take the user and the track out of the JSON of a line."""
    linked = pl.col("linked")
    return frame.with_columns(
        user=linked.str.extract(r'"type"\s*:\s*"user"\s*,\s*"id"\s*:\s*"?(\d+)'),
        track=linked.str.extract(r'"type"\s*:\s*"track"\s*,\s*"id"\s*:\s*"?(\d+)'),
    )


def _described(frame: pl.DataFrame) -> pl.DataFrame:
    """Take the name, which is that of the artist and the track, out of the JSON of a line."""
    name = pl.col("described").str.extract(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
    return frame.with_columns(name=name, artist=name.str.extract(r"^(.+?)/_/").str.replace_all("+", " ", literal=True))


def _plays(*columns: str) -> Delimited:
    return Delimited(
        title="30Music events.idomaar" + ("" if len(columns) > 4 else ", a blank between its JSON"),
        columns=columns,
        separator="\t",
        header=False,
        quoted=False,
        user="user",
        item="track",
        time="time",
        unit="s",
        event="play",
        like={"kind": r"event\.play"},
        expected={"time_out_of_range": 0.01},  # -1 is no time
        sessions="the plays of a user without a long gap; the publisher's sessions are in sessions.idomaar, which is "
        "not read",
        adapt=_linked,
    )


FORMAT = Format(
    name="30music",
    title="30Music plays",
    source='R. Turrin et al., "30Music listening and playlists dataset", RecSys 2015',
    layouts=(_plays("kind", "id", "time", "played", "linked"), _plays("kind", "id", "time", "linked")),
    items=(
        ItemTable(
            layout=Delimited(
                title="30Music tracks.idomaar",
                columns=("kind", "track", "time", "described", "linked"),
                separator="\t",
                header=False,
                quoted=False,
                item="track",
                category="artist",
                like={"kind": "track"},
                adapt=_described,
            ),
            name="name",
        ),
    ),
    siblings=(
        Sibling(
            "30Music sessions, playlists, users and the like",
            "which is not read: events.idomaar is",
            most_lines(r"(event\.session|playlist|user|person|tag|album|love|event\.love)\t-?\d+\t.*"),
        ),
    ),
    files=("events.idomaar*",),
)
