"""What is shown and what is clicked, by theme and by popularity: whether recommendations feed on themselves."""

from __future__ import annotations

from collections import Counter

from mos_online.contracts import Outcome

REMEMBERED = 200_000
"""After so many clicks all counts are halved: older clicks fade away."""


class ClickShares:
    """Each item's share of the clicks of late."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._total = 0

    def share(self, item_id: str) -> float:
        """The share of the clicks that the item has, 0 to 1."""
        return self._counts.get(item_id, 0) / self._total if self._total else 0.0

    def add(self, item_id: str) -> None:
        """Count a click."""
        self._counts[item_id] = self._counts.get(item_id, 0) + 1
        self._total += 1
        if self._total >= REMEMBERED:
            self._counts = {item: half for item, count in self._counts.items() if (half := count // 2)}
            self._total = sum(self._counts.values())


class Exposure:
    """Sums over what was clicked and shown since they were taken last.

    The popularity lift is the mean popularity of the shown items by that of the clicked ones. Above 1, what is shown
    is more popular than what users choose.

    Attributes:
        shown, clicked: items of outcomes that were shown, and those of them that were clicked, by ``shown_by`` and
            theme. Their ratio is the CTR. An item that was not shown, as far as we know, counts in neither.
        popularity: the sum of the shares of the clicks that items had when they were "shown" or "clicked".
        items: how many these were. "clicked" is any accepted click, from an answer or not.
    """

    def __init__(self) -> None:
        self._shares = ClickShares()
        self.clear()

    def clear(self) -> None:
        """Begin all sums again."""
        self.shown: Counter[tuple[str, int]] = Counter()
        self.clicked: Counter[tuple[str, int]] = Counter()
        self.popularity = {"shown": 0.0, "clicked": 0.0}
        self.items = {"shown": 0, "clicked": 0}

    def click(self, item_id: str) -> None:
        """Count an accepted click."""
        self.popularity["clicked"] += self._shares.share(item_id)
        self.items["clicked"] += 1
        self._shares.add(item_id)

    def outcome(self, outcome: Outcome) -> None:
        """Count what was shown of an answer."""
        for item in outcome.items:
            if item.position is None:
                continue
            key = (outcome.shown_by, item.theme)
            self.shown[key] += 1
            if item.clicks:
                self.clicked[key] += 1
            self.popularity["shown"] += self._shares.share(item.item_id)
            self.items["shown"] += 1
