"""Messages of the topic ``late-events``."""

from __future__ import annotations

import msgspec

from mos_online.contracts.clicks import Click


class LateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A click older than its partition's watermark. Its session may have closed, so it joins none.

    ``watermark`` and ``late_by`` are in milliseconds. ``partition`` and ``offset`` say where the click is.
    """

    click: Click
    watermark: int
    late_by: int
    partition: int
    offset: int
