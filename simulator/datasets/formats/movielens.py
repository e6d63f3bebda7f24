"""MovieLens, all releases."""

from __future__ import annotations

import polars as pl

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line, most_lines
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import first_of

GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""The columns of genres of u.item."""


def _ratings(title: str, separator: str, *, header: bool = False) -> Delimited:
    return Delimited(
        title=title,
        columns=("userId", "movieId", "rating", "timestamp"),
        separator=separator,
        header=header,
        quoted=header,
        user="userId",
        item="movieId",
        time="timestamp",
        unit="s",
        event="rating",
        like={"rating": r"0\.5|[1-4](\.[05])?|5(\.0)?"},
        sessions="the ratings of a user without a long gap: a form that was filled in, not what was watched",
    )


def _movies(title: str, separator: str, *last: str, header: bool = False) -> ItemTable:
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES]
    genre = first_of("genres") if "genres" in last else pl.coalesce(flags)
    layout = Delimited(
        title=title,
        columns=("movieId", "title", *last),
        separator=separator,
        header=header,
        quoted=header,
        item="movieId",
        category="genre",
        missing=("(no genres listed)", "unknown"),
        signs={"movieId": r"\d+"} | ({} if header else {last[-1]: r"\D+|[01]"}),
        adapt=lambda frame: frame.with_columns(genre=genre),
    )
    return ItemTable(layout=layout, name="title")


FORMAT = Format(
    name="movielens",
    title="MovieLens 100K to 32M",
    source='F. M. Harper, J. A. Konstan, "The MovieLens datasets: history and context", ACM TiiS 2015',
    layouts=(
        _ratings("MovieLens ratings.csv", ",", header=True),
        _ratings("MovieLens 1M or 10M ratings.dat", "::"),
        _ratings("MovieLens 100K u.data", "\t"),
    ),
    items=(
        _movies("MovieLens movies.csv", ",", "genres", header=True),
        _movies("MovieLens movies.dat", "::", "genres"),
        _movies("MovieLens u.item", "|", "released", "video", "url", *GENRES),
    ),
    siblings=(
        Sibling("MovieLens users", "which has no events", most_lines(r"\d+::[MF]::\d+::\d+::.*|\d+\|\d+\|[MF]\|.*")),
        Sibling("MovieLens tags", "which are no ratings", most_lines(r"\d+::\d+::(?!\d(\.\d)?::).*::\d+")),
        Sibling("MovieLens tags", "which are no ratings", first_line("userId,movieId,tag,timestamp")),
        Sibling("MovieLens links", "which has no events", first_line("movieId,imdbId,tmdbId")),
    ),
    files=("ratings.csv*", "ratings.dat*", "u.data*"),
)
