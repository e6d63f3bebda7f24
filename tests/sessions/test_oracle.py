"""The offline oracle on literal logs; the stream is compared with it in ``test_sessionizer_properties``."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from mos_online.contracts import SESSION_END
from mos_online.sessions import SessionConfig, offline_sessions

CONFIG = SessionConfig(gap=100, max_events=3, max_duration=250)
Row = tuple[str, str, int, str, str | None]


def log(*rows: Row) -> pl.DataFrame:
    schema = {
        "user_id": pl.String,
        "event_id": pl.String,
        "timestamp": pl.Int64,
        "event_type": pl.String,
        "session_id": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(item_id=pl.format("item-{}", "event_id"))


def clicks(*times: int) -> pl.DataFrame:
    return log(*(("u", f"e{time}", time, "click", None) for time in times))


def described(found: pl.DataFrame) -> list[tuple[list[str], str, int]]:
    return list(found.select("event_ids", "close_reason", "closes_at").iter_rows())


def test_an_empty_log_has_no_sessions() -> None:
    found = offline_sessions(clicks(), CONFIG)
    assert found.is_empty()
    assert found.columns == [
        "session_id",
        "user_id",
        "started_at",
        "ended_at",
        "close_reason",
        "closes_at",
        "event_ids",
        "item_ids",
        "rows",
    ]


def test_a_session_has_its_id_its_times_and_its_items() -> None:
    (row,) = offline_sessions(clicks(1050, 1000), CONFIG).iter_rows(named=True)
    assert row == {
        "session_id": "u:1000:e1000",
        "user_id": "u",
        "started_at": 1000,
        "ended_at": 1050,
        "close_reason": "gap",
        "closes_at": 1151,
        "event_ids": ["e1000", "e1050"],
        "item_ids": ["item-e1000", "item-e1050"],
        "rows": [1, 0],
    }


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1000, 1100], [(["e1000", "e1100"], "gap", 1201)]),
        ([1000, 1101], [(["e1000"], "gap", 1101), (["e1101"], "gap", 1202)]),
        ([1, 2, 3], [(["e1", "e2", "e3"], "max_events", 4)]),
        ([1, 2, 3, 4], [(["e1", "e2", "e3"], "max_events", 4), (["e4"], "gap", 105)]),
        ([1, 2, 3, 4, 5, 6], [(["e1", "e2", "e3"], "max_events", 4), (["e4", "e5", "e6"], "max_events", 7)]),
    ],
    ids=["exactly the gap", "longer than the gap", "full", "one more than full", "twice full"],
)
def test_sessions_of_one_user(times: list[int], expected: list[tuple[list[str], str, int]]) -> None:
    assert described(offline_sessions(clicks(*times), CONFIG)) == expected


def test_the_longest_duration_cuts_a_run_without_a_gap() -> None:
    found = offline_sessions(clicks(0, 90, 180, 250, 251), replace(CONFIG, max_events=500))
    assert described(found) == [(["e0", "e90", "e180", "e250"], "max_duration", 251), (["e251"], "gap", 352)]


def test_an_end_event_is_the_last_of_its_session() -> None:
    found = offline_sessions(log(("u", "a", 10, SESSION_END, None), ("u", "b", 11, "click", None)), CONFIG)
    assert described(found) == [(["a"], "end_event", 11), (["b"], "gap", 112)]


def test_of_rows_with_the_same_ids_and_time_the_first_counts() -> None:
    rows = log(("u", "a", 10, "click", None), ("u", "a", 10, SESSION_END, None), ("u", "a", 90, "click", None))
    assert described(offline_sessions(rows, CONFIG)) == [(["a", "a"], "gap", 191)]


def test_users_have_sessions_of_their_own() -> None:
    found = offline_sessions(log(("v", "a", 10, "click", None), ("u", "b", 11, "click", None)), CONFIG)
    assert found["session_id"].to_list() == ["u:11:b", "v:10:a"]


def test_publisher_ids_keep_events_apart_only_when_the_rules_say_so() -> None:
    rows = log(("u", "a", 10, "click", "s"), ("u", "b", 11, "click", "t"), ("u", "c", 12, "click", None))
    assert offline_sessions(rows, CONFIG)["event_ids"].to_list() == [["a", "b", "c"]]
    assert offline_sessions(rows, replace(CONFIG, publisher_ids=True))["event_ids"].to_list() == [["a"], ["b"], ["c"]]
