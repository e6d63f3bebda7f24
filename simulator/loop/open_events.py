"""What a site knows of the open sessions of its users."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.contracts import Click, SessionEvent, without_user

MOST = 500
"""Events that a request may name."""


class OpenEvents:
    """The last clicks of each user, until the user has been away for longer than the gap of sessions (ms)."""

    def __init__(self, gap: int) -> None:
        self._gap = gap
        self._of_user: dict[str, list[SessionEvent]] = {}

    def of(self, user: str, moment: int) -> list[SessionEvent]:
        """The events of the user's open session at ``moment`` (ms)."""
        events = self._of_user.get(user)
        if events is None:
            return []
        if events[-1].timestamp + self._gap < moment:
            del self._of_user[user]
            return []
        return events[-MOST:]

    def add(self, user: str, clicks: Sequence[Click]) -> None:
        """Note clicks of a user, in order."""
        if not clicks:
            return
        if (before := self._of_user.get(user)) and before[-1].timestamp + self._gap < clicks[0].timestamp:
            before.clear()
        self._of_user.setdefault(user, []).extend(map(without_user, clicks))
