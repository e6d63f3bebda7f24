"""What one user can add to the popularity, at most."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_MS = 3_600_000

REMEMBERED = 100_000
"""Up to twice so many sums of users, and of users and items, are remembered (about 130 bytes each)."""


@dataclass(frozen=True, kw_only=True)
class UserLimits:
    """Weights that one user can add in one hour of event time.

    Attributes:
        per_item: to one item.
        in_all: to all items together.
    """

    per_item: float
    in_all: float


class UserSums:
    """Cuts the weights of each user to the limits.

    Sums are kept in two dictionaries. When the newer one is full, or an hour has ended, it becomes the older one, and
    what the older one held is forgotten. So memory is bounded, and the limits hold exactly as long as no more than
    ``REMEMBERED`` sums are begun within an hour. If there are more, a user can add a limit again whenever as many
    others have come between.

    >>> sums = UserSums(UserLimits(per_item=5, in_all=7))
    >>> [sums.allowed("u", item, 0, weight) for item, weight in (("a", 3.0), ("a", 3.0), ("a", 3.0), ("b", 4.0))]
    [3.0, 2.0, 0.0, 2.0]
    """

    def __init__(self, limits: UserLimits, *, remembered: int = REMEMBERED) -> None:
        self._limits = limits
        self._remembered = remembered
        self._hour = -1
        self._new: dict[int, float] = {}  # by hash, which takes a third of the memory
        self._old: dict[int, float] = {}

    def __len__(self) -> int:
        """Sums that are remembered."""
        return len(self._new) + len(self._old)

    def allowed(self, user_id: str, item_id: str, timestamp: int, weight: float) -> float:
        """How much of ``weight`` the user may still add to the item in the hour of ``timestamp`` (ms); it is added."""
        hour = timestamp // HOUR_MS
        if hour > self._hour or len(self._new) >= self._remembered:
            self._old, self._new = self._new, {}
            self._hour = max(hour, self._hour)
        new, old, limits = self._new, self._old, self._limits
        on_item, on_all = hash((hour, user_id, item_id)), hash((hour, user_id))
        item_sum = new[on_item] if on_item in new else old.get(on_item, 0.0)
        user_sum = new[on_all] if on_all in new else old.get(on_all, 0.0)
        added = max(0.0, min(weight, limits.per_item - item_sum, limits.in_all - user_sum))
        new[on_item] = item_sum + added
        new[on_all] = user_sum + added
        return added
