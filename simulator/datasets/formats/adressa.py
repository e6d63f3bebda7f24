"""Adressa: pages of a Norwegian newspaper that were read."""

from __future__ import annotations

from simulator.datasets.format import Format
from simulator.datasets.json_lines import JsonLines

FORMAT = Format(
    name="adressa",
    title="Adressa page views",
    source='J. A. Gulla, L. Zhang, P. Liu, O. Ozgobek, X. Su, "The Adressa dataset for news recommendation", WI 2017',
    layouts=(
        JsonLines(
            title="Adressa, a file a day",
            user="userId",
            item="id",
            time="time",
            unit="s",
            event="view",
            category="category1",
            has=("eventId", "url"),
            optional=("id",),
            expected={"missing_item": 0.95},  # the front page and lists of articles
            sessions="the page views of a user without a long gap; the publisher's marks of where one starts and stops "
            "are not read, since many are missing",
            note="pages without an article, such as the front page, have no item and are left out",
        ),
    ),
)
