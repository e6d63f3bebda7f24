"""Messages of the topic ``late-events``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.clicks import Click
from mos_online.contracts.fields import Count, Milliseconds, Offset


class LateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A click that is older than the watermark of its partition. It is in no session: its own may be closed."""

    click: Click
    watermark: Annotated[
        Milliseconds, Meta(description="The watermark of the partition when the click was read; milliseconds.")
    ]
    late_by: Annotated[Milliseconds, Meta(description="How much older than the watermark the click is; milliseconds.")]
    partition: Annotated[Count, Meta(description="The partition of `clicks` that the click came from.")]
    offset: Annotated[Offset, Meta(description="The offset of the click's record in that partition.")]
