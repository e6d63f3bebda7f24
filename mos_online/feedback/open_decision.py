"""One decision, while impressions and clicks may still count for it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec

from mos_online.contracts import Decision, Impression, encode
from mos_online.contracts.outcomes import Outcome, OutcomeItem, ShownBy
from mos_online.feedback.rules import JoinRules

_decode = msgspec.json.Decoder(Decision).decode


@lru_cache(100_000)
def shared(item_id: str) -> str:
    """The same text, once in memory for all decisions and impressions that have it: a catalogue has few ids."""
    return item_id


class Credit(NamedTuple):
    """A click that counts for a decision.

    Attributes:
        timestamp, item_id, weight: of the click.
        by_request: whether it names the decision.
        offset: of its record.
    """

    timestamp: int
    item_id: str
    weight: float
    by_request: bool
    offset: int


class OpenDecision:
    """A decision with what is known of it so far. A million of these must fit into memory: it is kept as JSON.

    Attributes:
        timestamp, trigger: of the first decision with its id.
        offset: of its record.
        clicks: that count for it.
        impressions: that name it, and the offsets of their records; also those outside of its window.
    """

    __slots__ = ("_decision", "_items", "clicks", "impressions", "offset", "timestamp", "trigger")

    def __init__(self, decision: Decision, offset: int, impressions: list[tuple[Impression, int]]) -> None:
        self.timestamp = decision.timestamp
        self.trigger = decision.trigger
        self.offset = offset
        self.clicks: list[Credit] = []
        self.impressions = impressions
        self._decision = encode(decision)
        self._items = tuple(shared(item.item_id) for item in decision.items)

    def has(self, item_id: str) -> bool:
        """Whether the item was recommended."""
        return item_id in self._items

    def open_at(self, timestamp: int, rules: JoinRules) -> bool:
        """Whether what names it and happened at ``timestamp`` (ms) counts for it."""
        begin = self.timestamp
        return begin - rules.lateness <= timestamp < begin + rules.window

    def shows(self, item_id: str, timestamp: int, rules: JoinRules) -> bool:
        """Whether a click on the item at ``timestamp`` (ms) can come from here, although it names no decision."""
        begin = self.timestamp
        if not begin <= timestamp < begin + rules.window or item_id not in self._items:
            return False
        told = [one for one in self._told(rules) if one.timestamp <= timestamp + rules.lateness]
        if told:
            return any(item_id in one.item_ids for one in told)
        return self.trigger == "request"

    def outcome(self, rules: JoinRules) -> Outcome:
        """What became of it, when its window has closed."""
        decision = _decode(self._decision)
        positions, shown_by = self._positions(rules)
        by_item: dict[str, list[Credit]] = {}
        for click in self.clicks:
            by_item.setdefault(click.item_id, []).append(click)
        items = []
        for item in decision.items:
            clicks = by_item.pop(item.item_id, [])
            items.append(
                OutcomeItem(
                    item_id=item.item_id,
                    score=item.score,
                    theme=item.theme,
                    p_click=item.p_click,
                    position=positions.get(item.item_id),
                    clicks=len(clicks),
                    weight=sum(sorted(click.weight for click in clicks)),
                    first_click_after=min(c.timestamp for c in clicks) - decision.timestamp if clicks else None,
                )
            )
        named = sum(click.by_request for click in self.clicks)
        return Outcome(
            request_id=decision.request_id,
            user_id=decision.user_id,
            timestamp=decision.timestamp,
            window_end=decision.timestamp + rules.window,
            trigger=decision.trigger,
            shown_by=shown_by,
            items=items,
            clicks_by_request=named,
            clicks_by_item=len(self.clicks) - named,
            candidates=decision.candidates,
            model_version=decision.model_version,
            router_version=decision.router_version,
            fallback=decision.fallback,
            score_level=decision.score_level,
            fast_version=decision.fast_version,
            latency_ms=decision.latency_ms,
            assignments=decision.assignments,
            exploration=decision.exploration,
        )

    def _told(self, rules: JoinRules) -> list[Impression]:
        """Impressions in its window, in the order of their times."""
        inside = [one for one, _ in self.impressions if self.open_at(one.timestamp, rules)]
        return sorted(inside, key=lambda one: (one.timestamp, one.event_id))

    def _positions(self, rules: JoinRules) -> tuple[dict[str, int], ShownBy]:
        """The places of the shown items; where an item was shown twice, the first."""
        positions: dict[str, int] = {}
        told = self._told(rules)
        for impression in told:
            for place, item_id in enumerate(impression.item_ids, impression.first_position):
                if item_id in self._items:
                    positions.setdefault(item_id, place)
        if told:
            return positions, "impressions"
        if self.trigger == "request":
            for place, item_id in enumerate(self._items):
                positions.setdefault(item_id, place)
            return positions, "request"
        return positions, "nothing"
