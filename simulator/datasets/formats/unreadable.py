"""Public datasets of which no file can be read: they have no times, or no users and items."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.datasets.format import Sibling, first_line, most_lines

_NO_TIMES = "which has no times: the order of events is not known"

UNREADABLE: Mapping[str, Sibling] = {
    "book-crossing": Sibling(
        "Book-Crossing BX-Book-Ratings.csv", _NO_TIMES, first_line(r'"?User-ID"?[;,]"?ISBN"?[;,]"?Book-Rating"?[;,]?')
    ),
    "tenrec": Sibling(
        "Tenrec",
        "which has no times: a row says what happened, and not when",
        first_line(r"user_id,item_id,click,(?!.*(timestamp|created|date)).*"),
    ),
    "criteo": Sibling(
        "Criteo display advertising",
        "which names no users and no items, and has no times",
        most_lines(r"([01]\t)?(-?\d*\t){13}([0-9a-f]{8}|)(\t([0-9a-f]{8}|)){25}"),
    ),
    "pinterest": Sibling(
        "Pinterest pinterest-20",
        "whose times are all the same",
        most_lines(r"\d+\t\d+\t1(\.0)?\t(1|0|1\.0)"),
    ),
    "lastfm-360k": Sibling(
        "Last.fm 360K usersha1-artmbid-artname-plays.tsv",
        "which counts plays and has no times",
        most_lines(r"[0-9a-f]{40}\t[^\t]*\t[^\t]*\t\s*\d+"),
    ),
}
"""Name, as somebody may write it after ``--format`` -> what it is and why it is not read."""
