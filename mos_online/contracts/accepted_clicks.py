"""Messages of the topic ``accepted-clicks``: what the sessionizer has put into sessions, for those who count it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from mos_online.contracts.event_types import MAX_WEIGHT
from mos_online.contracts.fields import MAX_TIME, Count, Id, Milliseconds, Name, Offset
from mos_online.errors import ContractError

Weight = Annotated[float, Meta(gt=0, le=MAX_WEIGHT)]
Difference = Annotated[int, Meta(ge=-MAX_TIME, le=MAX_TIME)]


class AcceptedClick(NamedTuple):
    """A click that is in a session: not late, not from the future, no repeat, and an action.

    Attributes:
        position: in the partition of ``clicks``: ``MAX_CLICKS`` times the offset of its record, and its place among
            the accepted ones of that record.
        timestamp: when it happened (ms), no later than it arrived.
        weight: what it adds to the popularity of its item.
        user_id, item_id: who clicked what.
        category: of the item, as the click named it.
        request_id: of the answer that the click names.
    """

    position: int
    timestamp: int
    weight: float
    user_id: str
    item_id: str
    category: str | None = None
    request_id: str | None = None


class AcceptedClicks(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Accepted clicks of one partition, in the order of their positions. After a crash some are published again.

    They are written in columns, which take half the bytes and half the time of rows.

    Attributes:
        log_id: names the log that the positions belong to. Another log, such as that of a new broker, has another one.
        position, timestamp: of the first click.
        places, times: of each click, by how much its position and its time (ms) are greater than those of the first.
        users, items: of each click.
        weights: of each click; empty if all are 1.
        categories, requests: of each click; empty if none has one.
    """

    log_id: Name
    position: Offset
    timestamp: Milliseconds
    places: Annotated[list[Count], Meta(min_length=1)]
    times: list[Difference]
    users: list[Id]
    items: list[Id]
    weights: list[Weight] = []
    categories: list[Name | None] = []
    requests: list[Id | None] = []

    @classmethod
    def of(cls, log_id: str, clicks: Sequence[AcceptedClick]) -> AcceptedClicks:
        """A message of these clicks, at least one, in the order of their positions."""
        return cls.of_columns(log_id, *(list(column) for column in zip(*clicks, strict=True)))

    @classmethod
    def of_columns(
        cls,
        log_id: str,
        positions: list[int],
        times: list[int],
        weights: list[float],
        users: list[str],
        items: list[str],
        categories: list[str | None],
        requests: list[str | None],
    ) -> AcceptedClicks:
        """The same of columns, equally long."""
        position, timestamp = positions[0], times[0]
        return cls(
            log_id=log_id,
            position=position,
            timestamp=timestamp,
            places=[one - position for one in positions],
            times=[one - timestamp for one in times],
            users=users,
            items=items,
            weights=[] if weights.count(1.0) == len(weights) else weights,
            categories=[] if categories.count(None) == len(categories) else categories,
            requests=[] if requests.count(None) == len(requests) else requests,
        )

    def clicks(self) -> Iterator[tuple[int, int, float, str, str, str | None, str | None]]:
        """The clicks: tuples as ``AcceptedClick`` has them."""
        position, timestamp = self.position, self.timestamp
        return zip(
            [position + place for place in self.places],
            [timestamp + time for time in self.times],
            self.weights or repeat(1.0),
            self.users,
            self.items,
            self.categories or repeat(None),
            self.requests or repeat(None),
            strict=False,
        )

    def halves(self) -> tuple[AcceptedClicks, AcceptedClicks]:
        """Two messages of the same clicks, at least two."""
        clicks = [AcceptedClick(*click) for click in self.clicks()]
        middle = len(clicks) // 2
        return AcceptedClicks.of(self.log_id, clicks[:middle]), AcceptedClicks.of(self.log_id, clicks[middle:])


def check_accepted(message: AcceptedClicks) -> None:
    """Check that the columns fit together, which their types do not say.

    Raises:
        ContractError: they are not equally long, or are not in order ("invalid").
    """
    count = len(message.places)
    columns = (message.times, message.users, message.items)
    if any(len(column) != count for column in columns) or any(
        len(column) not in (0, count) for column in (message.weights, message.categories, message.requests)
    ):
        raise ContractError("invalid", "the columns of the accepted clicks are not equally long")
    if message.places != sorted(message.places):
        raise ContractError("invalid", "the accepted clicks are not in the order of their positions")
