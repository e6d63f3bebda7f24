"""The sessions that a profile keeps, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from mos_online.users.profile import UserProfile


class KeptSession(NamedTuple):
    """A session of a profile.

    Attributes:
        key: ``session_key`` of its id.
        closes: its watermark, ms.
        items, times, categories: of each event, at least one; ms, and None where the event named no category.
    """

    key: int
    closes: int
    items: list[str]
    times: list[int]
    categories: list[str | None]


def kept_sessions(profile: UserProfile) -> Iterator[KeptSession]:
    """The sessions of a profile, in the order in which they closed."""
    starts = accumulate(profile.session_lengths, initial=0)
    for key, closes, start, length in zip(
        profile.session_keys, profile.session_closes, starts, profile.session_lengths, strict=False
    ):  # there is one start more than sessions
        at = slice(start, start + length)
        yield KeptSession(key, closes, profile.item_ids[at], profile.timestamps[at], profile.categories[at])
