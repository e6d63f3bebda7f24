"""How fast each public format is read: events a second, of files that are made up, all in one run.

The first figure is by the clock. The second is by processor time, of all threads: it says the same on a busy machine.

    python benchmarks/reading.py [--events 1000000] [--only taobao]

A file is read into a ``Dataset``: recognised, split, checked, sorted. The growth of the process while reading is
printed beside the size of the result.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

START = 1_511_000_000
SPAN = 600_000

GLOBO = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,click_environment,"
    "click_deviceGroup,click_os,click_country,click_region,click_referrer_type"
)

Row = tuple[int, int, int]
"""User, item and seconds since epoch."""


def rows(count: int) -> Iterator[Row]:
    """The events of every format."""
    rng = random.Random(7)
    for _ in range(count):
        yield rng.randrange(100_000), rng.randrange(50_000), START + rng.randrange(SPAN)


def day(seconds: int) -> int:
    """The midnight before."""
    return seconds // 86_400 * 86_400


def moment(seconds: int) -> datetime:
    """As a datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def steam(row: Row) -> str:
    """A line of Steam, with one review."""
    posted = f"Posted {moment(row[2]):%B} {moment(row[2]).day}, {moment(row[2]).year}."
    return str({"user_id": str(row[0]), "reviews": [{"posted": posted, "item_id": str(row[1]), "review": "fine"}]})


def review(user: str, item: str, when: str) -> Callable[[Row], str]:
    """Writes lines of Amazon's reviews and of Yelp's."""
    return lambda row: json.dumps(
        {user: f"A{row[0]}", item: f"B{row[1]:09}", "stars": 4, "text": "a review of some words, " * 8}
        | {when: day(row[2]) if when == "unixReviewTime" else f"{moment(row[2]):%Y-%m-%d %H:%M:%S}"}
    )


FORMATS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "amazon-ratings": ("", lambda row: f"A{row[0]},B{row[1]:09},5.0,{day(row[2])}"),
    "amazon-reviews": ("", review("reviewerID", "asin", "unixReviewTime")),
    "diginetica": (
        "session_id;user_id;item_id;timeframe;eventdate",
        lambda row: f"{row[0]};NA;{row[1]};{row[2] % 1000};{moment(row[2]):%Y-%m-%d}",
    ),
    "globo": (GLOBO, lambda row: f"{row[0]},{row[0]}9,{row[2]}000,2,{row[1]},{row[2]}123,4,3,2,1,20,2"),
    "gowalla": ("", lambda row: f"{row[0]}\t{row[1]}\t{row[2]}.0"),
    "movielens": ("", lambda row: f"{row[0]}::{row[1]}::5::{row[2]}"),
    "retailrocket": (
        "timestamp,visitorid,event,itemid,transactionid",
        lambda row: f"{row[2]}123,{row[0]},view,{row[1]},",
    ),
    "steam": ("", steam),
    "taobao": ("", lambda row: f"{row[0]},{row[1]},{row[1] % 900},pv,{row[2]}"),
    "yelp": ("", review("user_id", "business_id", "date")),
    "yoochoose": ("", lambda row: f"{row[0]},{moment(row[2]):%Y-%m-%dT%H:%M:%S}.277Z,{row[1]},0"),
}
"""Name -> header, and how a line is written: in the shape that earlier states of this project read, too."""

SLOW = {"steam": 10, "amazon-reviews": 3, "yelp": 3}
"""Formats of long lines are measured with fewer of them."""


def write(name: str, path: Path, events: int) -> int:
    """Write a file; returns its number of events."""
    header, line = FORMATS[name]
    count = events // SLOW.get(name, 1)
    with path.open("w") as file:
        if header:
            file.write(header + "\n")
        for row in rows(count):
            file.write(line(row) + "\n")
    return count


def read(name: str, path: Path) -> dict[str, float]:
    """Read a file in this process: seconds (the better of three), and MiB of the result and of the growth."""
    from simulator.datasets import load_file  # noqa: PLC0415

    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took, worked = [], []
    for _ in range(3):
        start, at_work = time.perf_counter(), time.process_time()
        log = load_file(name, path)
        took.append(time.perf_counter() - start)
        worked.append(time.process_time() - at_work)
        size = log.events.estimated_size("mb") + log.items.estimated_size("mb")
        del log
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began) / 1024
    return {"seconds": min(took), "worked": min(worked), "result": size, "grown": grown}


def main() -> None:
    """Measure every format, or the one that was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only", choices=FORMATS)
    parser.add_argument("--read", nargs=2, metavar=("FORMAT", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        print(json.dumps(read(chosen.read[0], Path(chosen.read[1]))))
        return
    print("format            events/s   per processor second   result MiB   growth MiB")
    with tempfile.TemporaryDirectory() as folder:
        for name in [chosen.only] if chosen.only else FORMATS:
            path = Path(folder) / name
            count = write(name, path, chosen.events)
            command = [sys.executable, __file__, "--read", name, str(path)]  # a process each: the growth is its own
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            path.unlink()
            speeds = f"{count / found['seconds']:>9,.0f}   {count / found['worked']:>20,.0f}"
            print(f"{name:16} {speeds}   {found['result']:>10,.0f}   {found['grown']:>10,.0f}", flush=True)


if __name__ == "__main__":
    main()
