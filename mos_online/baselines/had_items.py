"""Which items each user has clicked, so that a baseline can leave them out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from mos_online.contracts import SESSION_END, Click

REMEMBERED_USERS = 100_000
"""Bounds the memory: of all users, so many who clicked last."""

REMEMBERED_ITEMS = 1_000
"""Of one user, those clicked last."""


class HadItems:
    """The items that each user has clicked, click by click.

    >>> had = HadItems()
    >>> had.observe(Click(event_id="1", user_id="u", item_id="x", timestamp=0))
    >>> list(had.of("u")), list(had.of("v"))
    (['x'], [])
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, dict[str, None]] = OrderedDict()

    def observe(self, click: Click) -> None:
        """Learn a click."""
        if click.event_type == SESSION_END:
            return
        items = self._of.pop(click.user_id, {})
        items.pop(click.item_id, None)
        items[click.item_id] = None
        if len(items) > REMEMBERED_ITEMS:
            del items[next(iter(items))]
        self._of[click.user_id] = items
        if len(self._of) > REMEMBERED_USERS:
            self._of.popitem(last=False)

    def of(self, user_id: str) -> Collection[str]:
        """The user's items; it changes with the next click."""
        return self._of.get(user_id, {}).keys()
