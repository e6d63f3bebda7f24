"""What the columns of a table mean: which is the user, which the item, in what unit the times are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from mos_online.errors import DatasetError
from simulator.datasets.times import PER_SECOND, UNIT_NAMES
from simulator.importing.roles import ROLES, Role


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user says about the columns, each in the words of its option; None where nothing was said.

    Attributes:
        user, item, session, category, value: names of columns; ``=``: there is none.
        time: a column, perhaps with a unit or a pattern: ``created_at``, ``created_at:ms``, ``day:%d/%m/%Y %H:%M``; or
            a column of dates and one of times of day: ``date+time``.
        type: a column, perhaps with other names of its values: ``action:view=click,buy=purchase``; or ``=purchase``,
            which every row is.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    type: str | None = None
    session: str | None = None
    category: str | None = None
    value: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, role) is not None for role in ROLES)


class Choice(NamedTuple):
    """The column of a role.

    Attributes:
        column: its name.
        why: how it was found: ``given``, ``by its name`` or ``by its values``.
    """

    column: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table mean.

    Attributes:
        by_role: role -> its column; user, item and time are always there.
        together: the columns of date and time of day, where these are two; the column of ``by_role`` joins their names
            by a plus.
        unit: of the times: a key of ``times.UNIT_NAMES`` or a pattern; of datetimes ``iso``.
        constant: the type of every event, where no column says it.
        renamed: type as found -> type as kept.
    """

    by_role: Mapping[Role, Choice]
    unit: str
    constant: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    together: tuple[str, str] | None = None

    @property
    def used(self) -> list[str]:
        """The columns of the table that mean something."""
        together = self.together or ()
        return [*(one.column for role, one in self.by_role.items() if role != "time" or not together), *together]

    def of(self, role: Role) -> str:
        """The name of the column of a role; empty if there is none."""
        return self.by_role[role].column if role in self.by_role else ""


def given(role: Role, text: str, columns: Sequence[str]) -> tuple[str, str | None]:
    """The column that an option names, and what is said after the colon.

    A name may hold colons itself: the longest name of a column that fits is meant.

    Raises:
        DatasetError: there is no such column.

    >>> given("time", "at:%H:%M", ["at", "sku"]), given("user", "a:b", ["a:b", "a"])
    (('at', '%H:%M'), ('a:b', None))
    """
    for column in sorted(columns, key=len, reverse=True):
        if text == column:
            return column, None
        if text.startswith(f"{column}:"):
            return column, text[len(column) + 1 :]
    near = get_close_matches(text.partition(":")[0], columns, n=1)
    constant = f"; for a log in which every event is the same, write --type ={text}" if role == "type" else ""
    raise DatasetError(
        f"--{role} {text}: there is no such column{f', did you mean {near[0]!r}?' if near else ''}; "
        f"the columns are {listed(columns)}{constant}"
    )


def unit_of(text: str) -> str:
    """Check the unit that was said after a colon.

    Raises:
        DatasetError: it is neither a unit nor a pattern.
    """
    if text in PER_SECOND or text in UNIT_NAMES or "%" in text:
        return text
    raise DatasetError(
        f"--time: {text!r} is no unit: write {', '.join(UNIT_NAMES)}, or a pattern such as %d/%m/%Y %H:%M"
    )


def renamed_types(text: str) -> dict[str, str]:
    """Other names of types: ``view=click,buy=purchase``.

    Raises:
        DatasetError: it is written otherwise, or names a type twice.

    >>> renamed_types("view=click, buy=purchase")
    {'view': 'click', 'buy': 'purchase'}
    """
    names: dict[str, str] = {}
    for part in text.split(","):
        found, equals, kept = (piece.strip() for piece in part.partition("="))
        if not (found and equals and kept) or found in names:
            raise DatasetError(f"--type: {part!r} is no other name of a type: write view=click,buy=purchase, each once")
        names[found] = kept
    return names


def listed(columns: Sequence[str]) -> str:
    """Names of columns for a message, not too many of them."""
    few = ", ".join(repr(column) for column in columns[:20])
    return few if len(columns) <= 20 else f"{few} and {len(columns) - 20} more"
