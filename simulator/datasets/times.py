"""Times of any type and unit become milliseconds since epoch, UTC; what lies outside the bounds is not multiplied."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from mos_online.errors import DatasetError
from mos_online.sessions.config import YEAR_1990_MS
from simulator.dataset import DAY_MS
from simulator.datasets.ids import as_text

PER_SECOND: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Units of numbers -> how many make a second."""

UNIT_NAMES: Mapping[str, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "iso": "ISO 8601",
}
"""Every unit of times that has a name; any other is a pattern such as ``%d/%m/%Y %H:%M``."""

ISO = (
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%d %H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f %z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%MZ",
)
"""The spellings of ISO 8601 that are read."""

_FIT_INT64 = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)

EARLIEST_MS = YEAR_1990_MS
"""As in the stream: an earlier event is not believed."""


class Times(NamedTuple):
    """A column of times.

    Attributes:
        ms: since epoch UTC (int64); null where there is none that can be used.
        faults: null where the time can be used; else ``missing_time``, ``unreadable_time`` or ``time_out_of_range``.
            None: all can be used.
        local: whether some times name no zone, so that the zone mattered.
    """

    ms: pl.Series
    faults: pl.Series | None
    local: bool


class Bounds(NamedTuple):
    """The times that are believed: from ``first`` to ``last``, both included (ms since epoch UTC)."""

    first: int
    last: int

    @classmethod
    def now(cls) -> Bounds:
        """From 1990 to a day after now."""
        return cls(EARLIEST_MS, time.time_ns() // 1_000_000 + DAY_MS)


def to_ms(column: pl.Series, unit: str, *, zone: str = "UTC", bounds: Bounds | None = None) -> Times:
    """Read a column of times.

    Args:
        column: numbers, text, dates or datetimes. The last two need no unit.
        unit: of numbers, also of those that are written as text: a key of ``PER_SECOND``; ``iso``; or a pattern of
            strftime.
        zone: IANA name, of times that name no zone. A local time that occurs twice is the first of the two; one that
            a clock skips is read as if the clock had not been moved.
        bounds: what is believed; None: ``Bounds.now()``.

    >>> to_ms(pl.Series(["1500000000", "1500000000000", ""]), "s").faults.to_list()
    [None, 'time_out_of_range', 'missing_time']
    """
    bounds = bounds or Bounds.now()
    local = False
    if column.dtype.is_temporal():
        missing = column.is_null()
        ms, local = _of_moments(column, zone)
        readable = ms.is_not_null()
    elif unit in PER_SECOND:
        missing, readable, ms = _of_numbers(column, PER_SECOND[unit], bounds)
    else:
        text = as_text(column)
        text = pl.Series([None] * len(column), dtype=pl.String) if text is None else text.str.strip_chars()
        missing = column.is_null() | (text == "").fill_null(value=False)
        ms, local = _of_text(text, ISO if unit == "iso" else (unit,), zone)
        readable = ms.is_not_null()
    frame = pl.DataFrame({"ms": ms.cast(pl.Int64), "missing": missing, "readable": readable})
    believed = pl.col("ms").is_between(bounds.first, bounds.last)
    fault = (
        pl.when("missing")
        .then(pl.lit("missing_time"))
        .when(~pl.col("readable"))
        .then(pl.lit("unreadable_time"))
        .when(~believed.fill_null(value=False))
        .then(pl.lit("time_out_of_range"))
    )
    frame = frame.select("ms", fault=fault)
    if frame["fault"].null_count() == len(frame):
        return Times(frame["ms"], None, local)
    return Times(frame.select(pl.when(pl.col("fault").is_null()).then("ms")).to_series(), frame["fault"], local)


def recognise_unit(column: pl.Series) -> str | None:
    """The unit in which most of some times can be believed, or None if that is not even a half of them.

    >>> recognise_unit(pl.Series([1500000000123, 1500000000456])), recognise_unit(pl.Series(["2017-07-14 02:40:00"]))
    ('ms', 'iso')
    """
    sample = column.drop_nulls().head(10_000)
    if sample.is_empty():
        return None
    units: Sequence[str] = (*PER_SECOND, "iso", "%Y%m%d")
    kept = {unit: len(sample) - _faults(to_ms(sample, unit)) for unit in units}
    best = max(units, key=lambda unit: kept[unit])
    return best if 2 * kept[best] >= len(sample) else None


def other_unit(value: object, unit: str) -> str | None:
    """Say which other unit a value would fit, for the error about a time that is not believed.

    >>> other_unit(1500000000123, "s")
    'milliseconds would be 2017-07-14, are the times in milliseconds, not seconds?'
    """
    one = pl.Series([value if isinstance(value, int | float) else str(value)], strict=False)
    for other in (*PER_SECOND, "iso", "%Y%m%d"):
        if other != unit and (ms := to_ms(one, other).ms[0]) is not None:
            day = datetime.fromtimestamp(ms / 1000, UTC).date()
            name, stated = unit_name(other), unit_name(unit)
            return f"{name} would be {day}, are the times in {name}, not {stated}?"
    return None


def require_zone(zone: str) -> None:
    """Refuse a zone that does not exist.

    Raises:
        DatasetError: it does not.
    """
    try:
        pl.Series([0]).cast(pl.Datetime("ms")).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError:
        raise DatasetError(
            f"zone {zone!r} is not known; name one such as UTC, Europe/Berlin or Asia/Shanghai"
        ) from None


def unit_name(unit: str) -> str:
    """The unit in words."""
    return UNIT_NAMES.get(unit, f"the pattern {unit}")


def _faults(times: Times) -> int:
    return 0 if times.faults is None else len(times.faults) - times.faults.null_count()


def _of_numbers(column: pl.Series, per_second: int, bounds: Bounds) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Of numbers in a unit: which are missing, which can be read, and the milliseconds of those within the bounds."""
    empty = pl.Series([False]).new_from_index(0, len(column))
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        empty = (text == "").fill_null(value=False)
        numbers = text.cast(pl.Int64, strict=False)
        if numbers.null_count() > column.null_count():
            numbers = _mixed(numbers, text.cast(pl.Float64, strict=False), per_second)
    elif column.dtype in _FIT_INT64:
        numbers = column.cast(pl.Int64)
    elif column.dtype.is_numeric():
        numbers = column.cast(pl.Float64)
    else:
        numbers = pl.Series([None] * len(column), dtype=pl.Int64)
    low, high = bounds.first * per_second // 1000, bounds.last * per_second // 1000
    if numbers.dtype.is_float():
        nan = numbers.is_nan().fill_null(value=False)
        missing, numbers = column.is_null() | empty | nan, numbers.set(nan, None)
        inside = numbers.set(~numbers.is_between(low, high), None)
        return missing, numbers.is_not_null(), (inside * 1000 / per_second).round().cast(pl.Int64)
    inside = numbers.set(~numbers.is_between(low, high), None)
    ms = inside * (1000 // per_second) if per_second <= 1000 else inside // (per_second // 1000)
    return column.is_null() | empty, numbers.is_not_null(), ms


def _mixed(whole: pl.Series, fractions: pl.Series, per_second: int) -> pl.Series:
    """Whole numbers where there are such, else numbers with a fraction; of fine units no float holds all digits."""
    if per_second > 1000:
        return whole.fill_null(fractions.set(fractions.abs() >= 2.0**63, 2.0**62).cast(pl.Int64, strict=False))
    return whole.cast(pl.Float64).fill_null(fractions)


def _of_text(text: pl.Series, patterns: Sequence[str], zone: str) -> tuple[pl.Series, bool]:
    """Milliseconds of written times, null where no pattern fits; and whether some of them name no zone."""
    ms: pl.Series | None = None
    local = False
    for pattern in _likely_first(text, patterns):
        rest = text if ms is None else text.set(ms.is_not_null(), None)
        if rest.null_count() == len(rest):
            break
        moments = rest.str.to_datetime(pattern, time_unit="ms", strict=False)
        found, without = _of_moments(moments, "UTC" if pattern.endswith(("Z", "UTC")) else zone)
        local |= without and not pattern.endswith(("Z", "UTC")) and found.null_count() < len(found)
        ms = found if ms is None else ms.fill_null(found)
    return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(text)) if ms is None else ms, local


def _likely_first(text: pl.Series, patterns: Sequence[str]) -> list[str]:
    """Patterns, those that fit one of the first texts before the others."""
    few = text.drop_nulls().head(3)
    fits = [few.str.to_datetime(pattern, time_unit="ms", strict=False).is_not_null().any() for pattern in patterns]
    return [pattern for pattern, fit in zip(patterns, fits, strict=True) if fit] + [
        pattern for pattern, fit in zip(patterns, fits, strict=True) if not fit
    ]


def _of_moments(moments: pl.Series, zone: str) -> tuple[pl.Series, bool]:
    """Milliseconds of dates and datetimes; and whether they name no zone."""
    kind = moments.dtype
    if kind == pl.Date:
        moments, kind = moments.cast(pl.Datetime("ms")), pl.Datetime("ms")
    if not isinstance(kind, pl.Datetime):  # a time of day, a duration
        return pl.Series([None] * len(moments), dtype=pl.Int64), False
    if kind.time_zone is not None:
        return moments.dt.epoch("ms"), False
    if zone == "UTC":
        return moments.dt.epoch("ms"), True
    placed = moments.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if placed.null_count() > moments.null_count():
        later = moments.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        placed = placed.fill_null(later)
    return placed.dt.epoch("ms"), True
