"""Guessing what the columns of a table mean, by their names and values. What is not clear is asked, never chosen."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.ids import as_text
from simulator.datasets.times import recognise_unit, to_ms
from simulator.importing.columns import Asked, Choice, Columns, given, listed, renamed_types, unit_of
from simulator.importing.date_and_time import put_together, require_no_time_of_day, two_columns
from simulator.importing.roles import ROLES, Role, named_for, words

FEW = 100
"""A column with more different values than this in the sample is none of types."""

KNOWN_TYPES = frozenset(
    words(
        "view views click clicks pageview page_view pv detail cart carts addtocart add_to_cart "
        "add-to-cart removefromcart remove_from_cart purchase buy order orders transaction sale checkout "
        "like fav favourite favorite wishlist share play listen watch rating review impression search "
        "read download bookmark clk pay"
    )
)

DEFAULT_TYPE = "click"
"""The type of all events, where no column says it."""

PATTERNS = (
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"),
    *("%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S"),
    *("%Y/%m/%d %H:%M", "%Y/%m/%d", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y", "%m-%d-%Y %H:%M"),
    *("%Y%m%d%H%M%S", "%d %b %Y %H:%M:%S", "%b %d, %Y %H:%M", "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z"),
)
"""How dates are written besides ISO 8601."""


def guess(sample: pl.DataFrame, asked: Asked, *, header: bool = True) -> Columns:
    """Find out what the columns mean.

    Args:
        sample: the first rows of the table, values of any type as found.
        asked: what the user said; it goes before every guess.
        header: whether the columns have names; otherwise they are called by their number, from 1.

    Raises:
        DatasetError: a column that a log needs was not found, or several may be meant (it names them and the option);
            an option names no column; the unit of the times is not clear.
    """
    if together := two_columns(asked.time, sample.columns):
        sample = put_together(sample, *together)
    none = {role for role in ROLES if (getattr(asked, role) or "").startswith("=")}
    columns, details = _given(sample.columns, asked, none)
    unit = unit_of(details["time"]) if "time" in details else None
    renamed = renamed_types(details["type"]) if "type" in details else {}
    constants = [_constant(role, getattr(asked, role)) for role in ROLES if role in none]
    constant = next((word for word in constants if word), None)
    for role in ROLES:
        if role in columns or role in none:
            continue
        if choice := _found(role, sample, taken=_taken(columns, together), header=header):
            columns[role] = choice
    _refuse_doubles(columns, together or ())
    if unit is None:
        unit = _unit(sample[columns["time"].column])
    if columns["time"].why != "given":
        free = [column for column in sample.columns if column not in _taken(columns, None)]
        require_no_time_of_day(sample, columns["time"].column, unit, free)
    if "type" not in columns and constant is None:
        constant = DEFAULT_TYPE
    return Columns(by_role=columns, unit=unit, constant=constant, renamed=renamed, together=together)


def _given(names: Sequence[str], asked: Asked, none: Container[Role]) -> tuple[dict[Role, Choice], dict[Role, str]]:
    """The columns that the user names, and what is said after the colon.

    Raises:
        DatasetError: there is no such column, or something is said after a colon where nothing can be.
    """
    columns: dict[Role, Choice] = {}
    details: dict[Role, str] = {}
    for role in ROLES:
        text = getattr(asked, role)
        if text is None or role in none:
            continue
        column, detail = given(role, text, names)
        columns[role] = Choice(column, "given")
        if detail is not None and role not in ("time", "type"):
            raise DatasetError(f"--{role} {text}: only --time and --type have something after a colon")
        if detail is not None:
            details[role] = detail
    return columns, details


def _taken(columns: Mapping[Role, Choice], together: Sequence[str] | None) -> list[str]:
    return [*(choice.column for choice in columns.values()), *(together or ())]


def _constant(role: Role, text: str) -> str | None:
    """What is said after ``=``: the type of all events; nothing, where an optional column is not to be guessed.

    Raises:
        DatasetError: there must be such a column, or a type is missing or does not belong there.
    """
    kept = text.removeprefix("=").strip()
    if role == "type" and not kept:
        raise DatasetError("--type = has no type: write --type =purchase if every event is a purchase")
    if ROLES[role].required or (kept and role != "type"):
        raise DatasetError(f"--{role} {text}: it must be a column; only --type takes a word for all rows")
    return kept or None


def _found(role: Role, sample: pl.DataFrame, *, taken: Sequence[str], header: bool) -> Choice | None:
    free = [column for column in sample.columns if column not in taken]
    fit = [column for column in free if _plausible(role, sample[column])]
    by_name = named_for(role, fit) if header else []
    if len(by_name) == 1:
        return Choice(by_name[0], "by its name")
    by_values = [] if by_name else _by_values(role, sample, fit)
    if len(by_values) == 1:
        return Choice(by_values[0], "by its values")
    if not ROLES[role].required and not by_name and not by_values:
        return None
    if several := by_name or by_values:
        raise DatasetError(
            f"several columns may be the {role} ({ROLES[role].meaning}): {listed(several)}; say which: "
            + " or ".join(f"--{role} {_quoted(column)}" for column in several[:5])
        )
    raise DatasetError(_missing(role, sample, free, header=header))


def _missing(role: Role, sample: pl.DataFrame, free: Sequence[str], *, header: bool) -> str:
    unreadable = [column for column in named_for(role, free) if role == "time"] if header else []
    if unreadable:
        column = unreadable[0]
        values = as_text(sample[column].drop_nulls().head(3))
        shown = "no values" if values is None or values.is_empty() else listed(values.to_list())
        return (
            f"the times in column {column!r} cannot be read ({shown}); say how they are written: "
            f"--time {_quoted(column + ':%d/%m/%Y %H:%M')}, or name another column: {listed(free)}"
        )
    first = ", ".join(repr(value) for value in sample.row(0)) if len(sample) else "none"
    names = (
        f"the columns are {listed(sample.columns)}"
        if header
        else f"the file has no header, so columns are called by their number, 1 to {sample.width}; the first row: "
        f"{first}"
    )
    return f"no column is clearly the {role} ({ROLES[role].meaning}); say which: --{role} COLUMN; {names}"


def _plausible(role: Role, column: pl.Series) -> bool:
    """Whether the values may be of this role."""
    if column.null_count() == len(column):
        return False
    if role == "time":
        return _unit_or_none(column) is not None
    if role == "type":
        return as_text(column.head(0)) is not None and column.n_unique() <= FEW
    return as_text(column.head(0)) is not None


def _by_values(role: Role, sample: pl.DataFrame, fit: Sequence[str]) -> list[str]:
    """The columns whose values say the role: times, and words for what users do. Ids look all alike."""
    if role == "time":
        return list(fit)
    if role == "type":
        return [column for column in fit if _speaks_of_events(sample[column])]
    return []


def _speaks_of_events(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return False
    words = set(column.drop_nulls().str.strip_chars().str.to_lowercase().unique()) - {""}
    return bool(words) and 2 * len(words & KNOWN_TYPES) >= len(words)


def _unit(column: pl.Series) -> str:
    """The unit of times.

    Raises:
        DatasetError: none fits most of them, or several patterns do.
    """
    unit = _unit_or_none(column)
    if unit is None:
        values = as_text(column.drop_nulls().head(3))
        shown = "" if values is None else f" ({listed(values.to_list())})"
        raise DatasetError(
            f"the times in column {column.name!r}{shown} cannot be read; say how they are written: --time "
            f"{_quoted(column.name + ':%d/%m/%Y %H:%M')}, or the unit of numbers: {column.name}:s, :ms, :us, :ns"
        )
    if "%" in unit and len(rivals := _patterns(column)) > 1:
        raise DatasetError(
            f"the times in column {column.name!r} ({listed(column.drop_nulls().head(3).to_list())}) can be read in "
            "several ways; say which: " + " or ".join(f"--time {_quoted(f'{column.name}:{each}')}" for each in rivals)
        )
    return unit


def _unit_or_none(column: pl.Series) -> str | None:
    if column.dtype.is_temporal():
        return "iso" if column.dtype in (pl.Date, pl.Datetime) else None
    if (unit := recognise_unit(column)) is not None:
        return unit
    return next(iter(_patterns(column)), None)


def _patterns(column: pl.Series) -> list[str]:
    """The patterns that fit nearly all of some texts; of two that say the same of every text, the first."""
    if column.dtype != pl.String:
        return []
    sample = column.drop_nulls().head(10_000)
    sample = sample.filter(sample.str.strip_chars() != "")
    if sample.is_empty():
        return []
    read = {pattern: to_ms(sample, pattern).ms for pattern in PATTERNS}
    most = len(sample) - min(times.null_count() for times in read.values())
    if 10 * most < 9 * len(sample):
        return []
    fit: list[str] = []
    for pattern, times in read.items():
        if len(sample) - times.null_count() == most and not any(read[other].equals(times) for other in fit):
            fit.append(pattern)
    return fit


def _refuse_doubles(columns: dict[Role, Choice], together: Sequence[str]) -> None:
    seen: dict[str, Role] = dict.fromkeys(together, "time")
    for role, choice in columns.items():
        if choice.column in seen:
            raise DatasetError(f"column {choice.column!r} cannot be both the {seen[choice.column]} and the {role}")
        seen[choice.column] = role


def _quoted(text: str) -> str:
    """For the shell, where it needs it."""
    return text if all(letter.isalnum() or letter in "_-.:/" for letter in text) else f"'{text}'"
