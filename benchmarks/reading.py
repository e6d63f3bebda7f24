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

RAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)

ASCTIME = "%a %b %d %H:%M:%S +0000 %Y"

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


def otto(row: Row, place: int) -> dict[str, object]:
    """An event of OTTO."""
    return {"aid": row[1] + place, "ts": row[2] * 1000 + place, "type": "clicks"}


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
    "adressa": (
        "",
        lambda row: json.dumps(
            {"eventId": 1, "url": "http://x", "userId": f"cx:{row[0]}", "id": row[1], "time": row[2]}
        ),
    ),
    "douban": (
        "ID,Movie_Name_EN,Movie_Name_CN,Crawl_Date,Number,Username,Date,Star,Comment,Like",
        lambda row: f'1,{row[1]},x,2017-01-22,1,{row[0]},{moment(row[2]):%Y-%m-%d},3,"fine, really",4',
    ),
    "epinions": (
        "",
        lambda row: str({"user": row[0], "item": row[1], "time": str(row[2]), "stars": 4.0, "paid": "", "review": "x"}),
    ),
    "fliggy": ("", lambda row: f"{row[0]},{row[1]},clk,{row[2]}"),
    "foursquare": (
        "",
        lambda row: f"{row[0]}\t{row[1]:024x}\t4bf5\tBar\t40.7\t-74.0\t-240\t{moment(row[2]):{ASCTIME}}",
    ),
    "goodreads": (
        "",
        lambda row: json.dumps(
            {
                "user_id": f"{row[0]:032x}",
                "book_id": str(row[1]),
                "date_added": f"{moment(row[2]):{ASCTIME}}",
                "read_at": "",
            }
        ),
    ),
    "hm": (
        "t_dat,customer_id,article_id,price,sales_channel_id",
        lambda row: f"{moment(row[2]):%Y-%m-%d},{row[0]:064x},{row[1]:010},0.0508,2",
    ),
    "kuairand": (RAND, lambda row: f"{row[0]},{row[1]},20171118,400,{row[2]}301,1,0,0,0,0,0,1,151024,104400,0,0,0,0,1"),
    "kuairec": (
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio",
        lambda row: f"{row[0]},{row[1]},13838,10867,2020-07-05 00:08:23.438,20200705,{row[2]}.438,1.27",
    ),
    "lastfm-1k": (
        "",
        lambda row: f"user_{row[0]:06}\t{moment(row[2] - 300_000_000):%Y-%m-%dT%H:%M:%SZ}\tm\tA\t{row[1]}\tB",
    ),
    "mind": (
        "",
        lambda row: (
            f"1\tU{row[0]}\t{moment(row[2]):%m/%d/%Y %I:%M:%S %p}\tN1 N2\t"
            + " ".join(f"N{row[1] + place}-{int(place == 0)}" for place in range(20))
        ),
    ),
    "otto": ("", lambda row: json.dumps({"session": row[0], "events": [otto(row, place) for place in range(20)]})),
    "tianchi-mobile": (
        "user_id,item_id,behavior_type,user_geohash,item_category,time",
        lambda row: f"{row[0]},{row[1]},1,,{row[1] % 900},{moment(row[2]):%Y-%m-%d %H}",
    ),
    "tmall": (
        "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type",
        lambda row: f"{row[0]},{row[1]},{row[1] % 900},3,,{moment(row[2]):%m%d},0",
    ),
    "xing-2016": ("user_id\titem_id\tinteraction_type\tcreated_at", lambda row: f"{row[0]}\t{row[1]}\t1\t{row[2]}"),
    "30music": (
        "",
        lambda row: (
            f'event.play\t1\t{row[2]}\t{{"playtime":176}}\t{{"subjects":[{{"type":"user","id":{row[0]}}}],'
            f'"objects":[{{"type":"track","id":{row[1]}}}]}}'
        ),
    ),
}
"""Name -> header, and how a line is written; the first eleven in the shape that earlier states read, too."""

PER_LINE = {"mind": 20, "otto": 20}
"""Events of a line, where it has several."""

SLOW = {"steam": 10, "amazon-reviews": 3, "yelp": 3, "epinions": 10}
"""Formats of long lines are measured with fewer of them."""


def write(name: str, path: Path, events: int) -> int:
    """Write a file; returns its number of events."""
    header, line = FORMATS[name]
    count = events // SLOW.get(name, 1) // PER_LINE.get(name, 1)
    with path.open("w") as file:
        if header:
            file.write(header + "\n")
        for row in rows(count):
            file.write(line(row) + "\n")
    return count * PER_LINE.get(name, 1)


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
