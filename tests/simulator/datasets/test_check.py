"""The one check: what is kept, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.errors import DatasetError
from simulator.datasets.check import Check
from simulator.datasets.raw import RawRows

PATH = Path("log.csv")
GOOD = 1_500_000_000


def rows(first: int = 1, **columns: Any) -> RawRows:
    frame = pl.DataFrame(columns, strict=False)
    return RawRows(PATH, frame.with_columns(row=pl.int_range(first, first + len(frame), dtype=pl.Int64)))


def test_good_rows_keep_their_order_and_get_the_columns_of_events() -> None:
    check = Check(unit="s", event_type="view")
    good = check.take(rows(user_id=[1.0, 2.0], item_id=["a ", "b"], timestamp=[GOOD + 1, GOOD]))
    assert good.to_dict(as_series=False) == {
        "user_id": ["1", "2"],
        "item_id": ["a", "b"],
        "timestamp": [1_500_000_001_000, 1_500_000_000_000],
        "event_type": ["view", "view"],
        "session_id": [None, None],
    }
    assert good.schema["timestamp"] == pl.Int64
    assert (check.report.read, check.report.kept, check.report.refused) == (2, 2, {})
    assert check.report.unit == "seconds"
    assert not check.report.worth_showing


def test_every_reason_is_counted_with_its_first_row() -> None:
    check = Check(unit="s")
    chunk: dict[str, Any] = {
        "user_id": ["u", "", None, "u", "u", "u" * 300, "u", "u", "u\x00"],
        "item_id": ["i", "i", "i", None, "i", "i", "i", "i", "i"],
        "timestamp": [str(GOOD), str(GOOD), str(GOOD), str(GOOD), "soon", str(GOOD), "", "1500000000000", str(GOOD)],
    }
    assert len(check.take(rows(5, **chunk))) == 1
    assert len(check.take(rows(14, **chunk))) == 1
    found = {why: (refusal.count, refusal.row) for why, refusal in check.report.refused.items()}
    assert found == {
        "missing_user": (4, 6),
        "missing_item": (2, 8),
        "unreadable_time": (2, 9),
        "long_id": (2, 10),
        "missing_time": (2, 11),
        "time_out_of_range": (2, 12),
        "unusable_id": (2, 13),
    }
    assert check.report.read == check.report.kept + sum(count for count, _ in found.values()) == 18
    assert check.report.refused["unreadable_time"].first == "log.csv, line 9: timestamp is 'soon'"
    assert "milliseconds, not seconds?" in check.report.refused["time_out_of_range"].hint


def test_a_missing_type_is_refused_and_a_missing_session_is_none() -> None:
    check = Check(unit="s")
    good = check.take(
        rows(
            user_id=[1, 2, 3],
            item_id=[1, 2, 3],
            timestamp=[GOOD] * 3,
            event_type=["view", None, " "],
            session_id=[None, 7, 8],
        )
    )
    assert good["session_id"].to_list() == [None]
    assert check.report.refused["missing_type"].count == 2


def test_what_the_reader_refused_comes_first_and_is_shown_as_found() -> None:
    check = Check(unit="s")
    check.take(
        rows(
            user_id=[None, "u"],
            item_id=[None, "i"],
            timestamp=[None, GOOD],
            refused=["fields", None],
            found=["a,b", None],
        )
    )
    assert list(check.report.refused) == ["fields"]
    assert check.report.refused["fields"].first == "log.csv, line 1: a,b"


def test_categories_and_values_go_along() -> None:
    check = Check(unit="s")
    good = check.take(
        rows(
            user_id=[1, 2, 3],
            item_id=[1, 2, 3],
            timestamp=[GOOD] * 3,
            category=[5.0, None, float("nan")],
            value=["1.5", "x", None],
        )
    )
    assert good["category"].to_list() == ["5", None, None]
    assert good["value"].to_list() == [1.5, None, None]
    check.take(rows(user_id=[1], item_id=[1], timestamp=[GOOD], category=["c" * 300]))
    assert "longer than 256" in check.report.notes[0]


def test_a_unit_that_nobody_stated_is_recognised_and_shown() -> None:
    check = Check(unit=None)
    assert check.take(rows(user_id=[1], item_id=[1], timestamp=["1500000000123"]))["timestamp"].to_list() == [
        1_500_000_000_123
    ]
    assert check.report.unit == "milliseconds"
    assert "milliseconds" in check.report.assumed[0]
    assert check.take(rows(user_id=[1], item_id=[1], timestamp=["1500000000"])).is_empty()  # one unit for all chunks


def test_a_zone_that_mattered_is_shown() -> None:
    silent, told, unneeded = Check(unit="iso"), Check(unit="iso", zone="Asia/Tokyo"), Check(unit="s")
    for check, value in ((silent, "2020-05-01 12:00:00"), (told, "2020-05-01 12:00:00"), (unneeded, str(GOOD))):
        assert len(check.take(rows(user_id=[1], item_id=[1], timestamp=[value]))) == 1
    assert silent.report.zone == "UTC"
    assert "--zone" in silent.report.assumed[0]
    assert (told.report.zone, told.report.assumed) == ("Asia/Tokyo", [])
    assert (unneeded.report.zone, unneeded.report.assumed) == ("", [])


def test_too_many_refused_rows_are_an_error_that_lists_the_reasons() -> None:
    check = Check(unit="s", expected={"missing_user": 0.9})
    check.take(rows(user_id=[None] * 50 + [1] * 50, item_id=[1] * 99 + [None], timestamp=[GOOD] * 100))
    check.report.allowed = 0.01
    check.report.require("log.csv", "Look.")
    check.report.allowed = 0.005
    with pytest.raises(
        DatasetError, match=r"51 of 100 rows cannot be used, at most 0.50% may be: .*missing_item"
    ) as error:
        check.report.require("log.csv", "Look.")
    assert "50 with no user (missing_user), the first is log.csv, line 1: user_id is None" in str(error.value)
    with pytest.raises(DatasetError, match="log holds no events"):
        Check(unit="s").report.require("log", "")
    nothing = Check(unit="s", expected={"missing_user": 0.9})
    nothing.take(rows(user_id=[None], item_id=[1], timestamp=[GOOD]))
    with pytest.raises(DatasetError, match="none is left"):
        nothing.report.require("log", "")


ANY = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
)


@pytest.mark.slow
@given(
    st.sampled_from(["s", "ms", "us", "ns", "iso", "%d.%m.%Y", None]),
    st.lists(st.tuples(ANY, ANY, ANY, ANY, ANY), min_size=1, max_size=8),
    st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_any_values_are_kept_or_refused_and_nothing_else(
    unit: str | None, values: list[tuple[Any, ...]], as_text: bool
) -> None:
    names = ("user_id", "item_id", "timestamp", "event_type", "category")
    columns: dict[str, Any] = {}
    for name, column in zip(names, zip(*values, strict=True), strict=True):
        texts = as_text or len({type(value) for value in column} - {type(None)}) > 1
        columns[name] = [None if value is None else str(value) for value in column] if texts else list(column)
    check = Check(unit=unit)
    good = check.take(rows(**columns))
    report = check.report
    assert report.read == len(values) == report.kept + sum(refusal.count for refusal in report.refused.values())
    assert len(good) == report.kept
    for column_name in ("user_id", "item_id", "event_type"):
        assert good[column_name].null_count() == 0
        assert good[column_name].str.len_chars().is_between(1, 256).all()
    assert good["timestamp"].null_count() == 0
