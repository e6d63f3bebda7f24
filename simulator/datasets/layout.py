"""A layout: one shape in which the files of a publication come, and which of its columns mean what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from mos_online.errors import DatasetError
from simulator.datasets.check import Check
from simulator.datasets.opening import Head
from simulator.datasets.raw import RawRows, ReadOptions
from simulator.datasets.times import Bounds

ENOUGH = 0.5
"""Share of the first lines that must follow a layout for the file to look like it."""


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """One shape of files; subclasses say how such a file is taken apart.

    Attributes:
        title: the files, as their publisher names them.
        user, item, time: the columns of the user, the item and the time; a table of items has no user and no time.
        unit: of the time, as ``times.to_ms`` takes it.
        zone: IANA name of the zone of the times, where the publication says it and the times do not.
        event: the type of all events, unless ``type`` names a column.
        type: the column of the event type.
        types: the values of that column -> the type of event; other values are refused. Empty: they stay as they are.
        session: the column of the publisher's session; empty: there is none.
        sessions: what a session is, in words.
        category: the column of the item's category; empty: there is none.
        value: the column of a number to keep with the event; empty: there is none.
        missing: words for missing ids and categories, besides those of ``ids.MISSING``.
        like: column -> pattern that each value must match as a whole; a row with another value is refused.
        signs: column -> pattern that most values at the beginning of a file match; it tells layouts apart.
        period: first day and day after the last, ``YYYY-MM-DD``; other times are refused.
        expected: reasons that the publication is known for -> the largest share of its rows.
        note: what a user should know of such files; the report shows it.
        adapt: rewrites the columns as found where the names above do not suffice; may make several rows of one.
    """

    title: str
    user: str = ""
    item: str
    time: str = ""
    unit: str = "iso"
    zone: str | None = None
    event: str = "click"
    type: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    sessions: str = "the clicks of a user without a long gap"
    category: str = ""
    value: str = ""
    missing: Sequence[str] = ()
    like: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    period: tuple[str, str] | None = None
    expected: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    adapt: Callable[[pl.DataFrame], pl.DataFrame] | None = None

    @abstractmethod
    def chunks(self, path: Path, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Take a file apart.

        Args:
            path: of a file that fits.
            notes: what is to be said about the file is appended.

        Yields:
            The columns as found, ``row`` (int64, from 1), and where rows were refused ``refused`` and ``found``.
        """

    @abstractmethod
    def sample(self, head: Head) -> pl.DataFrame | None:
        """The first rows as ``chunks`` yields them, or None if the file has another shape."""

    @property
    @abstractmethod
    def shape(self) -> str:
        """What a file looks like, in words."""

    @property
    def telling(self) -> bool:
        """Whether files have names or values by which they are known, whatever their times."""
        return bool(self.like or self.types or self.signs)

    def names(self, head: Head) -> bool:
        """Whether the file itself names its columns, and these are the names of this layout."""
        return False

    def rows(self, path: Path) -> Iterator[RawRows]:
        """Read a file that fits."""
        notes = [self.note] if self.note else []
        for frame in self.chunks(path, notes):
            if len(frame):
                yield RawRows(path, self.named(frame), tuple(notes))

    def check(self, options: ReadOptions) -> Check:
        """The check of rows of this layout."""
        return Check(
            unit=self.unit,
            zone=options.zone or self.zone,
            event_type=self.event,
            missing=self.missing,
            expected=self.expected,
            bounds=None if self.period is None else Bounds(*map(_moment, self.period)),
            named={
                ours: f"{f'column {theirs}' if theirs.isdigit() else theirs} ({ours})"
                for ours, theirs in self._roles.items()
                if theirs and theirs != ours
            },
        )

    @property
    def _roles(self) -> dict[str, str]:
        """Column of ``RawRows`` -> column as found; empty: there is none."""
        return {
            "user_id": self.user,
            "item_id": self.item,
            "timestamp": self.time,
            "event_type": self.type,
            "session_id": self.session,
            "category": self.category,
        }

    def fits(self, head: Head) -> bool:
        """Whether a file has this shape: its columns, and in most rows the values that these columns have."""
        frame = self._sample(head)
        if frame is None:
            return False
        named = self.named(frame)
        good = pl.Series([True] * len(named), dtype=pl.Boolean)
        if "refused" in named.columns:
            good = named["refused"].is_null() | named["refused"].is_in(list(self.expected)).fill_null(value=False)
        signs = [
            pl.col(name).str.contains(_whole(pattern)).fill_null(value=False) for name, pattern in self._signs(frame)
        ]
        alike = frame.select(pl.all_horizontal(signs)).to_series().sum() if signs else len(frame)
        return bool(alike >= ENOUGH * len(frame) and good.sum() >= ENOUGH * len(named))

    def looks_like(self, head: Head) -> bool:
        """Whether a file fits, and most of its first rows can be used: their times are believed, too."""
        frame = self._sample(head) if self.fits(head) else None
        if frame is None or frame.is_empty():
            return frame is not None
        named = self.named(frame)
        return len(self.check(ReadOptions()).take(RawRows(head.path, named))) >= ENOUGH * len(named)

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns as ``RawRows`` has them; values that the layout does not allow are refused."""
        if self.adapt is not None:
            frame = self.adapt(frame)
        for column, pattern in self.like.items():
            if _all_like(frame[column], pattern):
                continue
            wrong = ~pl.col(column).str.contains(_whole(pattern))
            frame = refuse(frame, wrong, "unexpected_value", pl.format("{} is '{}'", pl.lit(column), column))
        known = self._known(frame[self.type]) if self.types else None
        if self.types and known is None:
            unknown = ~pl.col(self.type).str.strip_chars().is_in(list(self.types))
            allowed = f"{self.type} is '{{}}', not one of {', '.join(self.types)}"
            frame = refuse(frame, unknown, "unknown_type", pl.format(allowed, self.type))
        named = frame.select(
            row="row",
            **{name: pl.col(column) for name, column in self._roles.items() if column},
            **({"value": _number(frame, self.value)} if self.value else {}),
            **{name: pl.col(name) for name in ("refused", "found") if name in frame.columns},
        )
        if self.types and known is None:
            stripped = pl.col("event_type").str.strip_chars()
            return named.with_columns(
                event_type=stripped.replace_strict(self.types, default=None, return_dtype=pl.String)
            )
        return named if known is None else named.with_columns(known.alias("event_type"))

    def _known(self, column: pl.Series) -> pl.Series | None:
        """The types of events, or None if one of them is not written as in ``types``, which costs a closer look."""
        found = column.replace_strict(self.types, default=None, return_dtype=pl.String)
        return None if found.null_count() else found

    def _signs(self, frame: pl.DataFrame) -> list[tuple[str, str]]:
        return [(name, pattern) for name, pattern in self.signs.items() if frame.schema[name] == pl.String]

    def _sample(self, head: Head) -> pl.DataFrame | None:
        """The sample, or None for what the layout cannot even take apart."""
        try:
            return self.sample(head)
        except (DatasetError, pl.exceptions.PolarsError):
            return None


def filled(column: str) -> pl.Expr:
    """A column of text without blanks around it, null where nothing is left; for ``Layout.adapt``."""
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text)


def code(column: str) -> pl.Expr:
    """A column of numbers that stand for categories, as names of categories; for ``Layout.adapt``."""
    return pl.format("cat_{}", filled(column))


def first_of(column: str) -> pl.Expr:
    """The first of several texts with bars between them; for ``Layout.adapt``."""
    return pl.col(column).cast(pl.String).str.extract(r"^\s*([^|]+)")


def refuse(frame: pl.DataFrame, wrong: pl.Expr, reason: str, found: pl.Expr) -> pl.DataFrame:
    """Refuse more rows of a frame, those that were not refused before; for ``Layout.adapt``.

    Args:
        frame: as found.
        wrong: whether a row is refused; null: it is not.
        reason: one of ``report.REASONS``.
        found: what is shown of such a row (str).
    """
    mask = frame.select(wrong.fill_null(value=False)).to_series()
    if not mask.any():
        return frame
    marks = {"refused": pl.lit(reason), "found": found}
    before = {name: [name] if name in frame.columns else [] for name in marks}
    return frame.with_columns(
        **{name: pl.coalesce(*before[name], pl.when(mask).then(mark)) for name, mark in marks.items()}
    )


def _all_like(column: pl.Series, pattern: str) -> bool:
    """Whether every value matches a pattern; most columns with one have few different values."""
    values = column.unique()
    return values.dtype == pl.String and bool(values.str.contains(_whole(pattern)).fill_null(value=True).all())


def _number(frame: pl.DataFrame, column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars() if frame.schema[column] == pl.String else pl.col(column)


def _whole(pattern: str) -> str:
    return rf"^\s*(?:{pattern})\s*$"


def _moment(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() * 1000)
