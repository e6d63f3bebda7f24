"""Epinions: reviews of products."""

from __future__ import annotations

from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.literals import Literals

FORMAT = Format(
    name="epinions",
    title="Epinions reviews",
    source='T. Zhao, J. McAuley, I. King, "Leveraging social connections to improve personalized ranking for '
    'collaborative filtering", CIKM 2014',
    layouts=(
        Literals(
            title="Epinions epinions.json",
            user="user",
            item="item",
            time="time",
            unit="s",
            event="review",
            has=("stars", "paid"),
            sessions="a user's day: the times are whole days",
        ),
    ),
    siblings=(
        Sibling(
            "Epinions network of trust", "which has no events", most_lines(r"\S+ (trust|trustedby) \S+|\d+\t\d+\t-?1")
        ),
    ),
)
