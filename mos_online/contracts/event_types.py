"""What the types of events mean: the one table that stream, training, backfill, evaluation and service read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from mos_online.errors import SettingsError

Kind = Literal["action", "exposure", "end", "reject"]

OTHERS = "*"
"""The name of all types that the table does not name."""

DEFAULT_EVENT_TYPES = "view:1,click:1,cart:3,purchase:5,impression:exposure,session_end:end,*:1"

MAX_WEIGHT = 1000.0
REMEMBERED = 1000
"""So many spellings of types are looked up once; of more, each is looked up every time."""

_KINDS: tuple[Kind, ...] = ("exposure", "end", "reject")
_HELP = (
    "write name:what for each type, separated by commas; what is a weight (an action), exposure, end or reject, and "
    f"the name {OTHERS} is of all other types: {DEFAULT_EVENT_TYPES}"
)


class EventType(NamedTuple):
    """What a type of events means.

    Attributes:
        kind: ``action``: the user did something with the item. ``exposure``: the item was shown; sessions, profiles
            and popularity leave it out. ``end``: the session is over. ``reject``: the click becomes a dead letter.
        weight: how much an action adds to the popularity of its item, 0 to ``MAX_WEIGHT``; 0 for other kinds.
        declared: whether the table names the type, or has it among the others.
    """

    kind: Kind
    weight: float
    declared: bool


class EventTypes(dict[str, EventType]):
    """Looks up what a type means: ``types["view"]``. Case and blanks around the name do not matter.

    A spelling that is looked up the first time is remembered, up to ``REMEMBERED`` of them. Make it with ``parse``.

    >>> types = EventTypes.parse("view:1,purchase:5,impression:exposure,logout:end,*:1")
    >>> types["purchase"].weight, types[" Impression"].kind, types["like"]
    (5.0, 'exposure', EventType(kind='action', weight=1.0, declared=False))
    """

    def __init__(self, named: dict[str, EventType], others: EventType) -> None:
        super().__init__(named)
        self._named = named
        self._others = others

    def __missing__(self, spelling: str) -> EventType:
        """What a spelling means that was not looked up before."""
        found = self._named.get(_normal(spelling), self._others)
        if len(self) < REMEMBERED:
            self[spelling] = found
        return found

    @classmethod
    def parse(cls, table: str = DEFAULT_EVENT_TYPES) -> EventTypes:
        """Read a table such as ``DEFAULT_EVENT_TYPES``; of the same text always the same object.

        Raises:
            SettingsError: an entry has no name or no meaning, a name comes twice, a weight is not a number from 0 to
                ``MAX_WEIGHT``, or the other types are not among the names.
        """
        return _parsed(table)

    def of_kind(self, spellings: Iterable[str], *kinds: Kind) -> list[str]:
        """Those of some spellings whose type is of one of these kinds."""
        return [spelling for spelling in spellings if self[spelling].kind in kinds]


@lru_cache(maxsize=32)
def _parsed(table: str) -> EventTypes:
    named: dict[str, EventType] = {}
    for entry in table.split(","):
        name, _, what = entry.rpartition(":")
        name = _normal(name)
        if not name:
            raise SettingsError(f"event types: {entry!r} has no name or no meaning; {_HELP}")
        if name in named:
            raise SettingsError(f"event types: {name!r} comes twice; {_HELP}")
        named[name] = _meaning(name, what.strip().lower())
    if OTHERS not in named:
        raise SettingsError(f"event types: {table!r} does not say what other types mean; {_HELP}")
    others = named.pop(OTHERS)
    if others.kind == "end":
        raise SettingsError(f"event types: an unknown type cannot end a session; {_HELP}")
    return EventTypes(named, others)


def _meaning(name: str, what: str) -> EventType:
    declared = name != OTHERS
    for kind in _KINDS:
        if what == kind:
            return EventType(kind, 0.0, declared)
    try:
        weight = float(what)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= MAX_WEIGHT:
        raise SettingsError(
            f"event types: {name}:{what}: a weight is a number from 0 to {MAX_WEIGHT:g}, the other meanings are "
            f"{', '.join(_KINDS)}; {_HELP}"
        )
    return EventType("action", weight, declared)


def _normal(name: str) -> str:
    return name.strip().casefold()
