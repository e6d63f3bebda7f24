"""Logs with the date in one column and the time of day in another: ``--time "date+time"`` puts the two together."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mos_online.errors import DatasetError
from simulator.dataset import DAY_MS
from simulator.datasets.ids import as_text
from simulator.datasets.times import to_ms

OF_DAY = r"^\s*([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(\s*[AaPp][Mm])?\s*$"
"""How a time of day is written."""


def two_columns(text: str | None, columns: Sequence[str]) -> tuple[str, str] | None:
    """The columns of date and time of day that ``--time`` names; None: it names one column, or none that is there.

    Args:
        text: of the option.
        columns: of the table.

    >>> two_columns("day+hour:%d/%m/%Y %H:%M", ["day", "hour"]), two_columns("a+b", ["a+b", "a", "b"])
    (('day', 'hour'), None)
    """
    if text is None or any(text == column or text.startswith(f"{column}:") for column in columns):
        return None
    for date in columns:
        rest = text.removeprefix(f"{date}+")
        for time in sorted(columns, key=len, reverse=True) if rest != text else ():
            if rest == time or rest.startswith(f"{time}:"):
                return date, time
    return None


def put_together(frame: pl.DataFrame, date: str, time: str) -> pl.DataFrame:
    """Add the column ``date+time``: the texts of two columns with a blank between; null where one of them is.

    >>> put_together(pl.DataFrame({"d": ["2024-03-04", ""], "t": ["10:00", "10:00"]}), "d", "t")["d+t"].to_list()
    ['2024-03-04 10:00', None]
    """
    parts = [_text(frame[name]) for name in (date, time)]
    both = pl.DataFrame([part.alias(str(at)) for at, part in enumerate(parts)])
    return frame.with_columns(both.select(pl.format("{} {}", "0", "1").alias(f"{date}+{time}")).to_series())


def _text(column: pl.Series) -> pl.Series:
    text = column.dt.to_string("%H:%M:%S%.f") if column.dtype == pl.Time else as_text(column)
    if text is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(column))
    return text.str.strip_chars().replace("", None)


def require_no_time_of_day(sample: pl.DataFrame, date: str, unit: str, free: Sequence[str]) -> None:
    """Refuse to take whole days for the times of a log where another column has the time of day.

    Args:
        sample: the first rows.
        date: the column that was guessed.
        unit: of its times.
        free: the columns that are nothing else.

    Raises:
        DatasetError: there is such a column; says how to put the two together.
    """
    days = to_ms(sample[date], unit).ms.drop_nulls()
    if days.is_empty() or (days % DAY_MS != 0).any():
        return
    for column in free:
        if _is_time_of_day(sample[column]):
            pattern = f":{unit} {_pattern(sample[column])}" if "%" in unit else ""
            raise DatasetError(
                f"column {date!r} has whole days and {column!r} has times of day; say what is meant: "
                f"--time '{date}+{column}{pattern}' puts them together, --time '{date}' takes whole days"
            )


def _is_time_of_day(column: pl.Series) -> bool:
    if column.dtype == pl.Time:
        return True
    text = column.drop_nulls() if column.dtype == pl.String else None
    return text is not None and len(text) > 0 and bool(text.str.contains(OF_DAY).all())


def _pattern(column: pl.Series) -> str:
    """How the times of day of a column are written, by the first of them."""
    first = str(column.drop_nulls()[0]).strip()
    seconds = ":%S" if first.count(":") == 2 else ""
    return f"%I:%M{seconds} %p" if first[-1] in "mM" else f"%H:%M{seconds}"
