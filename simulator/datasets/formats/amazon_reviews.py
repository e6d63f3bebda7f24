"""Amazon, the files of reviews."""

from __future__ import annotations

from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.json_lines import JsonLines

FORMAT = Format(
    name="amazon-reviews",
    title="Amazon reviews of 2014, 2018 and 2023",
    source="R. He, J. McAuley, WWW 2016; J. Ni, J. Li, J. McAuley, EMNLP 2019; Y. Hou et al., 2024",
    layouts=(
        JsonLines(
            title="Amazon 2014 or 2018 reviews",
            user="reviewerID",
            item="asin",
            time="unixReviewTime",
            unit="s",
            event="review",
            sessions="a user's day: the times are whole days",
        ),
        JsonLines(
            title="Amazon 2023 reviews",
            user="user_id",
            item="parent_asin",
            time="timestamp",
            unit="ms",
            event="review",
            sessions="the reviews of a user without a long gap",
        ),
    ),
    siblings=(
        Sibling(
            "Amazon metadata of items",
            "which has no events",
            most_lines(
                r"""\{(?!.*(reviewerID|unixReviewTime)).*['"](parent_)?asin['"].*['"](title|categories|price)['"].*"""
            ),
        ),
    ),
)
