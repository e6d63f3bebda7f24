"""Times of any type and unit."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.datasets.times import PER_SECOND, Bounds, other_unit, recognise_unit, to_ms

MS = st.integers(631_152_000_000, 1_700_000_000_000)
HUGE = [10**17, -(10**17), 2**62, 10**18, -1, 0]


@given(MS, st.sampled_from(sorted(PER_SECOND)))
def test_every_unit_gives_the_same_moment(ms: int, unit: str) -> None:
    ms = ms // 1000 * 1000
    number = ms * PER_SECOND[unit] // 1000
    for column in (
        pl.Series([number]),
        pl.Series([str(number)]),
        pl.Series([f" {number}"]),
        pl.Series([number], dtype=pl.UInt64),
        pl.Series([Decimal(number)]),
        *([pl.Series([float(number)]), pl.Series([f"{number}.0"])] if unit in {"s", "ms"} else []),
    ):
        times = to_ms(column, unit)
        assert times.ms.to_list() == [ms]
        assert times.faults is None
        assert not times.local
        assert recognise_unit(column) == unit


@given(MS)
def test_fractions_of_a_second_are_rounded_to_milliseconds(ms: int) -> None:
    for column in (pl.Series([ms / 1000]), pl.Series([f"{ms // 1000}.{ms % 1000:03}"])):
        assert to_ms(column, "s").ms.to_list() == [ms]


@given(MS)
def test_written_times_are_read(ms: int) -> None:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    for text in (
        moment.isoformat(timespec="milliseconds"),
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment.isoformat(" ", timespec="milliseconds").replace("+00:00", ""),
        moment.isoformat(" ", timespec="milliseconds").replace("+00:00", " UTC"),
        moment.astimezone(ZoneInfo("Asia/Tokyo")).isoformat(timespec="milliseconds"),
        moment.astimezone(ZoneInfo("Asia/Tokyo")).isoformat(" ", timespec="microseconds"),
    ):
        assert to_ms(pl.Series([text]), "iso").ms.to_list() == [round(moment.timestamp() * 1000)], text


@pytest.mark.parametrize("unit", PER_SECOND)
@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.String])
def test_nothing_wraps(unit: str, kind: type[pl.DataType]) -> None:
    column = pl.Series(HUGE).cast(kind)
    bounds = Bounds.now()
    times = to_ms(column, unit, bounds=bounds)
    assert times.faults is not None
    for number, ms, fault in zip(HUGE, times.ms, times.faults, strict=True):
        believed = bounds.first <= number * 1000 // PER_SECOND[unit] <= bounds.last
        assert (fault is None) == believed == (ms is not None)
        assert believed or fault == "time_out_of_range"


def test_faults_are_told_apart() -> None:
    times = to_ms(pl.Series(["1500000000", "", None, "soon", "1e30", "99999999999999999999", " "]), "s")
    assert times.faults is not None
    assert times.faults.to_list() == [
        None,
        "missing_time",
        "missing_time",
        "unreadable_time",
        "time_out_of_range",
        "time_out_of_range",
        "missing_time",
    ]
    floats = to_ms(pl.Series([1.5e9, float("nan"), float("inf"), None]), "s")
    assert floats.faults is not None
    assert floats.faults.to_list() == [None, "missing_time", "time_out_of_range", "missing_time"]


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, b"x", time(3), timedelta(3)])
@pytest.mark.parametrize("unit", ["s", "iso"])
def test_what_is_no_time_is_unreadable(value: object, unit: str) -> None:
    faults = to_ms(pl.Series([value]), unit).faults
    assert faults is not None
    assert faults.to_list() == ["unreadable_time"]


def test_datetimes_need_no_unit() -> None:
    moment = datetime(2020, 5, 1, 12, 0, 0, 500_000, UTC)
    expected = int(moment.timestamp() * 1000)
    for unit in ("ms", "us", "ns"):
        naive = pl.Series([moment.replace(tzinfo=None)], dtype=pl.Datetime(unit))
        assert to_ms(naive, "s").ms.to_list() == [expected]
        assert to_ms(naive, "s").local
        aware = naive.dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
        assert to_ms(aware, "s", zone="Asia/Tokyo").ms.to_list() == [expected]
        assert not to_ms(aware, "s").local
    assert to_ms(pl.Series([date(2020, 5, 1)]), "s").ms.to_list() == [1_588_291_200_000]


def test_a_zone_places_times_that_name_none() -> None:
    texts = pl.Series(["2020-07-01 12:00:00", "2020-10-25 02:30:00", "2020-03-29 02:30:00"])
    hours = ["2020-07-01T10:00Z", "2020-10-25T00:30Z", "2020-03-29T01:30Z"]
    times = to_ms(texts, "iso", zone="Europe/Berlin")  # summer, the hour that comes twice, the hour that is skipped
    assert times.ms.to_list() == to_ms(pl.Series(hours), "iso").ms.to_list()
    assert times.local


def test_mixed_spellings_of_a_column_are_all_read() -> None:
    texts = ["2020-05-01", "2020-05-01T00:00:00Z", "2020-05-01 02:00:00+02:00", "2020-05-01 00:00", "then"]
    times = to_ms(pl.Series(texts), "iso")
    assert times.ms.to_list() == [1_588_291_200_000] * 4 + [None]


def test_patterns_are_read() -> None:
    for text, pattern in (
        ("Tue Apr 03 18:00:09 +0000 2012", "%a %b %d %H:%M:%S %z %Y"),
        ("04/03/2012 06:00:09 PM", "%m/%d/%Y %I:%M:%S %p"),
    ):
        assert to_ms(pl.Series([text]), pattern).ms.to_list() == [1_333_476_009_000]
    assert to_ms(pl.Series([20_120_403]), "%Y%m%d").ms.to_list() == [1_333_411_200_000]


def test_the_unit_that_was_meant_is_named() -> None:
    assert other_unit(1_500_000_000_000, "s") == (
        "milliseconds would be 2017-07-14, are the times in milliseconds, not seconds?"
    )
    assert other_unit("1500000000", "ms") == "seconds would be 2017-07-14, are the times in seconds, not milliseconds?"
    assert "ISO 8601, not seconds" in str(other_unit("2017-07-14 02:40:00", "s"))
    assert other_unit("soon", "s") is None
    assert recognise_unit(pl.Series(["soon", "later", "1500000000"])) is None
    assert recognise_unit(pl.Series([20_170_714, 20_170_715])) == "%Y%m%d"
    assert recognise_unit(pl.Series([], dtype=pl.Int64)) is None
