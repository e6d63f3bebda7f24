"""XING 2016: what users did with job postings."""

from __future__ import annotations

from simulator.datasets.delimited import Delimited
from simulator.datasets.format import Format, Sibling, first_line
from simulator.datasets.item_table import ItemTable
from simulator.datasets.layout import code

FORMAT = Format(
    name="xing-2016",
    title="XING interactions of 2016",
    source="F. Abel et al., RecSys Challenge 2016: job recommendations, RecSys 2016",
    layouts=(
        Delimited(
            title="XING interactions.csv",
            columns=("user_id", "item_id", "interaction_type", "created_at"),
            separator="\t",
            quoted=False,
            user="user_id",
            item="item_id",
            time="created_at",
            unit="s",
            type="interaction_type",
            types={"1": "click", "2": "bookmark", "3": "reply", "4": "delete"},
            note="some users and events are made up and the times are shifted, all by the publisher",
        ),
    ),
    items=(
        ItemTable(
            layout=Delimited(
                title="XING items.csv",
                columns=(
                    "id",
                    "title",
                    "career_level",
                    "discipline_id",
                    "industry_id",
                    "country",
                    "region",
                    "latitude",
                    "longitude",
                    "employment",
                    "tags",
                    "created_at",
                    "active_during_test",
                ),
                separator="\t",
                quoted=False,
                item="id",
                category="discipline",
                adapt=lambda frame: frame.with_columns(discipline=code("discipline_id")),
            ),
            name="title",
        ),
    ),
    siblings=(
        Sibling(
            "XING impressions.csv",
            "which has the week of what was shown and no times",
            first_line("user_id\tyear\tweek\titems"),
        ),
        Sibling("XING users.csv", "which has no events", first_line("id\tjobroles\t.*")),
    ),
    files=("interactions*",),
)
