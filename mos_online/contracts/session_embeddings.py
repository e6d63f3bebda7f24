"""Messages of the topic ``session-embeddings``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SessionEmbedding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Theme and embedding of a closed session, published when the user's new profile is in the online store."""

    session_id: str
    user_id: str
    ended_at: Annotated[int, Meta(description="The time of the session's last event; milliseconds.")]
    embedding: Annotated[
        list[float],
        Meta(description="Unit mean of the session's routing vectors, of length d_r; zeros when no item is known."),
    ]
    theme: Annotated[int, Meta(description="The session's theme, 1 to K; 0 if it has no theme.")]
    theme_weights: Annotated[list[float], Meta(description="Cosines of the embedding to the K prototypes.")]
    router_version: Annotated[str, Meta(description="The router that gave the theme.")]
