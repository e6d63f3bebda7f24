"""Messages of the topic ``accepted-clicks``: what the sessionizer has put into sessions, for those who count it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.event_types import MAX_WEIGHT
from mos_online.contracts.fields import Id, Milliseconds, Name, Offset


class AcceptedClick(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A click that is in a session: not late, not from the future, no repeat, and an action.

    Attributes:
        position: in the partition of ``clicks``: ``MAX_CLICKS`` times the offset of its record, and its place among
            the accepted ones of that record.
        timestamp: when it happened (ms), no later than it arrived.
        weight: what it adds to the popularity of its item.
        user_id, item_id: who clicked what.
        category: of the item, as the click named it.
    """

    position: Offset
    timestamp: Milliseconds
    weight: Annotated[float, Meta(gt=0, le=MAX_WEIGHT)]
    user_id: Id
    item_id: Id
    category: Name | None = None


class AcceptedClicks(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Accepted clicks of one partition, in the order of their positions. After a crash some are published again.

    Attributes:
        log_id: names the log that the positions belong to. Another log, such as that of a new broker, has another one.
        clicks: all that were accepted since the message before.
    """

    log_id: Name
    clicks: Annotated[list[AcceptedClick], Meta(min_length=1)]
