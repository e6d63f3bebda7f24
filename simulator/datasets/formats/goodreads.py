"""Goodreads: books put on shelves."""

from __future__ import annotations

from simulator.datasets.format import Format, Sibling, first_line, most_lines
from simulator.datasets.item_table import ItemTable
from simulator.datasets.json_lines import JsonLines

FORMAT = Format(
    name="goodreads",
    title="Goodreads interactions",
    source='M. Wan, J. McAuley, "Item recommendation on monotonic behavior chains", RecSys 2018',
    layouts=(
        JsonLines(
            title="Goodreads interactions or reviews with dates",
            user="user_id",
            item="book_id",
            time="date_added",
            unit="%a %b %d %H:%M:%S %z %Y",
            event="shelve",
            sessions="the books that a user put on shelves without a long gap",
            note="the time is date_added, when the book was put on a shelf; read_at, the day that a reader wrote down, "
            "is often missing and is not read",
        ),
    ),
    items=(
        ItemTable(
            layout=JsonLines(
                title="Goodreads books",
                item="book_id",
                fields=("title", "publisher", "publication_year"),
                has=("title", "popular_shelves"),
            ),
            name="title",
        ),
    ),
    siblings=(
        Sibling(
            "Goodreads goodreads_interactions.csv",
            "which has no times: goodreads_interactions_dedup.json.gz has them",
            first_line("user_id,book_id,is_read,rating,is_reviewed"),
        ),
        Sibling("Goodreads maps of ids", "which has no events", first_line(r"book_id_csv,book_id|user_id_csv,user_id")),
        Sibling(
            "Goodreads genres, works, authors or series",
            "which has no events",
            most_lines(r'\{(?!.*"date_added").*"(genres|best_book_id|author_id|series_id)".*'),
        ),
    ),
    files=("*interactions*.json*",),
)
