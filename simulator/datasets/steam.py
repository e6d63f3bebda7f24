"""Steam ``australian_user_reviews.json``: one user a line, as a Python literal (not JSON); whole days.

A. Pathak, K. Gupta, J. McAuley, "Generating and personalizing bundle recommendations on Steam", SIGIR 2017.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.datasets.assemble import Rows
from simulator.datasets.lines import malformed, numbered_lines
from simulator.datasets.reviews import review_rows

NO_YEAR = "no year in the date"


def read(path: Path) -> Rows:
    """Read reviews of games. Steam prints no year for the year of the crawl; such reviews are skipped and counted."""
    dated: list[tuple[str, str, int]] = []
    skipped = 0
    for line, user_id, review in _reviews(path):
        posted = str(review["posted"])
        if "," not in posted:
            skipped += 1
            continue
        try:
            day = datetime.strptime(posted, "Posted %B %d, %Y.").replace(tzinfo=UTC)
        except ValueError:
            raise malformed(path, line, f"posted is {posted!r}, expected 'Posted November 5, 2011.'") from None
        dated.append((user_id, str(review["item_id"]), int(day.timestamp()) * 1000))
    return review_rows(dated, {NO_YEAR: skipped} if skipped else {})


def _reviews(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for number, line in numbered_lines(path):
        try:
            user = ast.literal_eval(line.decode())
            for review in user["reviews"]:
                yield number, str(user["user_id"]), {"posted": review["posted"], "item_id": review["item_id"]}
        except (ValueError, SyntaxError, TypeError, KeyError) as error:
            raise malformed(path, number, f"not a user with reviews as a Python literal ({error!r})") from None
