"""Yelp Open Dataset ``yelp_academic_dataset_review.json``: one JSON object a line; local times without a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mos_online.contracts import Id
from simulator.datasets.assemble import Rows
from simulator.datasets.lines import json_lines, malformed
from simulator.datasets.reviews import review_rows


class Review(msgspec.Struct):
    """The fields that matter here."""

    user_id: Id
    business_id: Id
    date: str


def read(path: Path) -> Rows:
    """Reviews of businesses, their times taken as UTC; text and stars are left out."""
    return review_rows(
        (review.user_id, review.business_id, _milliseconds(path, line, review.date))
        for line, review in json_lines(path, Review)
    )


def _milliseconds(path: Path, line: int, date: str) -> int:
    try:
        moment = datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise malformed(path, line, f"date is {date!r}, expected a time such as 2018-07-07 22:09:11") from None
    return int(moment.timestamp()) * 1000
