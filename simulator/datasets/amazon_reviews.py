"""Amazon 5-core review files: one JSON object a line; times are whole days.

R. He, J. McAuley, "Ups and downs: modeling the visual evolution of fashion trends with one-class collaborative
filtering", WWW 2016.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from mos_online.contracts import Id
from simulator.datasets.assemble import Rows
from simulator.datasets.lines import json_lines
from simulator.datasets.reviews import review_rows


class Review(msgspec.Struct):
    """The fields that matter here."""

    reviewerID: Id  # noqa: N815 - the publisher's spelling
    asin: Id
    unixReviewTime: int  # noqa: N815


def read(path: Path) -> Rows:
    """Reviews; text and rating are left out."""
    return review_rows(
        (review.reviewerID, review.asin, review.unixReviewTime * 1000) for _, review in json_lines(path, Review)
    )
