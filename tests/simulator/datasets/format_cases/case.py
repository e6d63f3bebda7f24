"""A file of a public format, made up in the publisher's shape."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_NONE: Mapping[str, int] = MappingProxyType({})
_NO_CATEGORY: Mapping[str, str] = MappingProxyType({})


class Case(NamedTuple):
    """One file.

    Attributes:
        format: name of the format.
        layout: title of the layout.
        text: of the file.
        events: (user, item, ms since epoch UTC, type, session) of its events, in the order of time.
        bad: lines that may follow -> what is said of each; a part of the message.
        refused: reason -> number of the rows of ``text`` that are refused.
        categories: of the items that have one.
    """

    format: str
    layout: str
    text: str
    events: list[tuple[str, str, int, str, str | None]]
    bad: dict[str, str]
    refused: Mapping[str, int] = _NONE
    categories: Mapping[str, str] = _NO_CATEGORY


class Foreign(NamedTuple):
    """A file of a publication that holds no events.

    Attributes:
        format: name of the format of the publication.
        text: of the file.
        said: what the message names it.
    """

    format: str
    text: str
    said: str
