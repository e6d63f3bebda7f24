"""What routing a session gives."""

from __future__ import annotations

import msgspec

UNROUTED = 0
"""Theme of sessions and items that fit no prototype; real themes are 1..K."""


class Routed(msgspec.Struct, frozen=True, gc=False):
    """A session's place among the themes; see ``mos_online.themes.Router.route``.

    Attributes:
        theme: 1..K, or ``UNROUTED``.
        embedding: unit mean of the session's routing vectors, length d_r; zeros when no item is known.
        weights: its cosines to the K prototypes.
    """

    theme: int
    embedding: list[float]
    weights: list[float]
