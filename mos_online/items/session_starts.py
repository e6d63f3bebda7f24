"""Which clicks begin sessions, as far as those who only count clicks can tell."""

from __future__ import annotations

REMEMBERED = 100_000
"""The last clicks of up to twice so many users are remembered (about 110 bytes each)."""


class SessionStarts:
    """Tells clicks that begin a session from those inside one: the user did nothing for longer than the gap before.

    The last click of a user is remembered in one of two dictionaries. When the newer one is two gaps old, or full, it
    becomes the older one, and what the older one held is forgotten. So memory is bounded, and a click is mistaken for a
    start only if more than ``REMEMBERED`` other users have clicked since the user's last one.

    >>> starts = SessionStarts(1000)
    >>> [starts.note("u", time) for time in (0, 1000, 2001, 2500)]
    [True, False, True, False]
    """

    def __init__(self, gap_ms: int, *, remembered: int = REMEMBERED) -> None:
        """Begin with nobody; ``gap_ms``: a session ends when its user is silent for longer."""
        self.gap_ms = gap_ms
        self._remembered = remembered
        self._since: int | None = None
        self._new: dict[int, int] = {}  # by hash, which takes a third of the memory
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        """Users that are remembered, those in both dictionaries twice."""
        return len(self._new) + len(self._old)

    def note(self, user_id: str, timestamp: int) -> bool:
        """Remember a click at ``timestamp`` (ms); whether it begins a session. One that comes late does not."""
        user, new, gap = hash(user_id), self._new, self.gap_ms
        last = new.get(user)
        if last is None:
            last = self._old.get(user)
        if self._since is None or timestamp - self._since > 2 * gap or len(new) >= self._remembered:
            self._old, self._new, self._since = new, {}, timestamp
            new = self._new
        new[user] = timestamp if last is None or timestamp > last else last
        return last is None or timestamp - last > gap
