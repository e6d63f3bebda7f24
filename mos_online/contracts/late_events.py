"""Messages of the topic ``late-events``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.clicks import Click


class LateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A click that is older than the watermark of its partition. It is in no session: its own may be closed."""

    click: Click
    watermark: Annotated[int, Meta(description="The watermark of the partition when the click was read; milliseconds.")]
    late_by: Annotated[int, Meta(description="How much older than the watermark the click is; milliseconds.")]
    partition: Annotated[int, Meta(description="The partition of `clicks` that the click came from.")]
    offset: Annotated[int, Meta(description="The offset of the click's record in that partition.")]
