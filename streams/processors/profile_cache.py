"""Profiles in memory, so that a user's next session needs no read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from sys import getsizeof

from mos_online.users.profile import UserProfile

EMPTY = 1500
"""Bytes of a profile without sessions, with its entry in the cache."""

ASCII_HEADER, OTHER_HEADER = 49, 80
"""Bytes of a string of CPython beside its characters; the second one is rather too high."""


class ProfileCache:
    """The profiles that were used last, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            max_bytes: of all profiles together, as ``profile_bytes`` estimates them.
        """
        self._max_bytes = max_bytes
        self._profiles: OrderedDict[str, tuple[UserProfile, int]] = OrderedDict()
        self.bytes = 0

    def of(self, users: Iterable[str]) -> dict[str, UserProfile]:
        """The profiles of those users who are here."""
        return {user: self._profiles[user][0] for user in users if user in self._profiles}

    def remember(self, profiles: Mapping[str, UserProfile]) -> None:
        """Keep these profiles, and forget those that were used longest ago if there are too many."""
        self.forget(profiles)
        for user, profile in profiles.items():
            size = profile_bytes(profile)
            self._profiles[user] = profile, size
            self.bytes += size
        while self.bytes > self._max_bytes:
            _, (_, size) = self._profiles.popitem(last=False)
            self.bytes -= size

    def forget(self, users: Iterable[str]) -> None:
        """Forget the profiles of these users."""
        for user in users:
            _, size = self._profiles.pop(user, (None, 0))
            self.bytes -= size

    def clear(self) -> None:
        """Forget all."""
        self._profiles.clear()
        self.bytes = 0


def profile_bytes(profile: UserProfile) -> int:
    """An estimate of the bytes of memory that a profile takes; it is rather too high than too low."""
    texts = _text_bytes(profile.item_ids) + _text_bytes(list(filter(None, profile.categories)))
    numbers = 2 * len(profile.item_ids) + 5 * len(profile.session_keys)
    numbers += len(profile.embedding) + len(profile.theme_weights) + 3 * len(profile.theme_sessions)
    return EMPTY + texts + 40 * numbers


def _text_bytes(texts: list[str]) -> int:
    """All at once, since every session has a profile measured: string by string, that takes ten times as long.

    A string with other characters than ASCII has a longer header. It keeps its UTF-8 form, too, once it was written.
    """
    joined = "".join(texts)
    if joined.isascii():
        return len(joined) + ASCII_HEADER * len(texts)
    return 3 * getsizeof(joined) + OTHER_HEADER * len(texts)
