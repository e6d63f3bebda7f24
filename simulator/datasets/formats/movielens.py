"""MovieLens, all releases."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line, most_lines


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


FORMAT = Format(
    name="movielens",
    title="MovieLens 100K to 32M",
    source='F. M. Harper, J. A. Konstan, "The MovieLens datasets: history and context", ACM TiiS 2015',
    layouts=(
        _ratings("MovieLens ratings.csv", ",", header=True),
        _ratings("MovieLens 1M or 10M ratings.dat", "::"),
        _ratings("MovieLens 100K u.data", "\t"),
    ),
    siblings=(
        Sibling("MovieLens movies", "which has no events", most_lines(r"\d+::.*\(\d{4}\)::\D*|\d+\|.*\|http.*")),
        Sibling("MovieLens users", "which has no events", most_lines(r"\d+::[MF]::\d+::\d+::.*|\d+\|\d+\|[MF]\|.*")),
        Sibling("MovieLens tags", "which are no ratings", most_lines(r"\d+::\d+::.*::\d+")),
        Sibling("MovieLens tags", "which are no ratings", first_line("userId,movieId,tag,timestamp")),
        Sibling("MovieLens movies", "which has no events", first_line("movieId,(title,genres|imdbId,tmdbId)")),
    ),
)
