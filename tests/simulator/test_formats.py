"""Public formats, on lines made up here in the same layout."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from mos_online.errors import DatasetError
from simulator.datasets import FORMATS, load_file


class Case(NamedTuple):
    """Text of a file; its events as (user, item, ms, type, session), in order; a bad line, and what is said of it."""

    text: str
    events: list[tuple[str, str, int, str, str | None]]
    bad: str
    complaint: str


GLOBO_HEADER = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
    "click_environment,click_deviceGroup,click_os,click_country,click_region,click_referrer_type\n"
)
CASES = {
    "movielens": Case(
        "9::20::5::1000000007\r\n9::10::4::1000000003\r\n",
        [("9", "10", 1_000_000_003_000, "rating", None), ("9", "20", 1_000_000_007_000, "rating", None)],
        "9::20::5\n",
        "line 3: 3 fields, expected 4",
    ),
    "taobao": Case(
        "5,50,7,buy,1511600009\n5,51,7,pv,1511600001\n6,50,8,pv,-3\n",
        [("5", "51", 1_511_600_001_000, "view", None), ("5", "50", 1_511_600_009_000, "purchase", None)],
        "5,50,7,look,1511600009\n",
        "line 4: event_type is 'look', expected one of pv, cart, fav, buy",
    ),
    "retailrocket": Case(
        "timestamp,visitorid,event,itemid,transactionid\n1430000000500,4,view,40,\n1430000000400,4,transaction,41,77\n",
        [("4", "41", 1_430_000_000_400, "purchase", None), ("4", "40", 1_430_000_000_500, "view", None)],
        "yesterday,4,view,40,\n",
        "line 4: timestamp is 'yesterday', expected milliseconds",
    ),
    "yoochoose": Case(
        "11,2014-05-01T00:00:01.250Z,300,0\n12,2014-05-01T00:00:00.000Z,301,S\n",
        [("12", "301", 1_398_902_400_000, "click", "12"), ("11", "300", 1_398_902_401_250, "click", "11")],
        "11,2014-05-01,300,0\n",
        "line 3: timestamp is '2014-05-01', expected a time",
    ),
    "diginetica": Case(
        "session_id;user_id;item_id;timeframe;eventdate\n8;NA;80;1500;2016-02-02\n9;55;81;20;2016-02-02\n",
        [("55", "81", 1_454_371_200_020, "view", "9"), ("session-8", "80", 1_454_371_201_500, "view", "8")],
        "8;NA;80;1500;soon\n",
        "line 4: eventdate is 'soon'",
    ),
    "gowalla": Case(
        "3\t33\t1250000060.0\n3\t34\t1250000000.0\n",
        [("3", "34", 1_250_028_800_000, "checkin", None), ("3", "33", 1_250_028_860_000, "checkin", None)],
        "3\t\t1250000060.0\n",
        "line 3: item_id is '', expected an id",
    ),
    "globo": Case(
        GLOBO_HEADER + "2,99,1500000000000,2,700,1500000003210,4,3,2,1,20,2\n",
        [("2", "700", 1_500_000_003_210, "click", "99")],
        "2,99,1500000000000,2,700,x,4,3,2,1,20,2\n",
        "line 3: click_timestamp is 'x'",
    ),
    "amazon-ratings": Case(
        "AB,B001,5.0,1300060800\nAC,B002,1.0,1299974400\n",
        [("AC", "B002", 1_299_974_400_000, "review", None), ("AB", "B001", 1_300_060_800_000, "review", None)],
        "AB,B001,5.0,\n",
        "line 3: timestamp is '', expected seconds",
    ),
    "amazon-reviews": Case(
        '{"reviewerID": "AB", "asin": "B001", "helpful": [0, 1], "overall": 5.0, "unixReviewTime": 1300060800}\n',
        [("AB", "B001", 1_300_060_800_000, "review", None)],
        '{"reviewerID": "AB", "overall": 5.0}\n',
        "line 2: .*asin",
    ),
    "yelp": Case(
        '{"review_id":"r","user_id":"u","business_id":"b","stars":4.0,"date":"2018-01-02 03:04:05"}\n\n',
        [("u", "b", 1_514_862_245_000, "review", None)],
        '{"user_id":"u","business_id":"b","date":"2018-01-02"}\n',
        "line 3: date is '2018-01-02'",
    ),
    "steam": Case(
        "{'user_id': 'kim', 'reviews': [{'posted': 'Posted May 1, 2014.', 'item_id': '440', 'recommend': True, "
        "'review': \"It's fine\"}, {'posted': 'Posted June 2.', 'item_id': '441'}]}\n",
        [("kim", "440", 1_398_902_400_000, "review", None)],
        "{'user_id': 'kim'}\n",
        "line 2: not a user with reviews",
    ),
}


def test_every_format_has_a_case() -> None:
    assert set(CASES) == set(FORMATS)


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_read_in_order_of_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(CASES[name].text)
    events = load_file(name, path).events
    columns = ["user_id", "item_id", "timestamp", "event_type", "session_id"]
    assert events.select(columns).rows() == CASES[name].events
    assert events["event_id"].to_list() == [f"{name}-{row:010}" for row in range(len(events))]


@pytest.mark.parametrize("name", CASES)
def test_a_bad_line_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(CASES[name].text + CASES[name].bad)
    with pytest.raises(DatasetError, match=CASES[name].complaint):
        load_file(name, path)


@pytest.mark.parametrize("name", CASES)
def test_an_empty_or_missing_file_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(DatasetError, match="does not exist"):
        load_file(name, path)
    path.write_text("")
    with pytest.raises(DatasetError, match=r"is empty|holds no events"):
        load_file(name, path)


def test_known_junk_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(CASES["taobao"].text)
    assert load_file("taobao", path).skipped == {"timestamp not in 2017": 1}
    path.write_text(CASES["steam"].text)
    assert load_file("steam", path).skipped == {"no year in the date": 1}


def test_categories_come_from_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(CASES["taobao"].text)
    assert load_file("taobao", path).categories == {"50": "cat_7", "51": "cat_7"}
    path.write_text(CASES["yoochoose"].text)
    assert load_file("yoochoose", path).categories == {"301": "cat_S"}


def test_hours_of_a_folder_are_one_log(tmp_path: Path) -> None:
    for hour, minute in (("001", 9), ("000", 1)):
        line = f"2,99,1500000000000,2,70{minute},150000000{minute}000,4,3,2,1,20,2\n"
        (tmp_path / f"clicks_hour_{hour}.csv").write_text(GLOBO_HEADER + line)
    assert load_file("globo", tmp_path).events["item_id"].to_list() == ["701", "709"]


def test_another_header_and_another_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("visitor,item\n1,2\n")
    with pytest.raises(DatasetError, match="line 1: the header is 'visitor,item'"):
        load_file("retailrocket", path)
    with pytest.raises(DatasetError, match="unknown format 'netflix'; allowed: amazon-ratings"):
        load_file("netflix", path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not a text file"):
        load_file("movielens", path)
