"""Messages of the topic ``session-embeddings``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import Count, Id, Milliseconds, Name, SessionId, Vector


class SessionEmbedding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Theme and embedding of a closed session, published when the user's new profile is in the online store."""

    session_id: SessionId
    user_id: Id
    ended_at: Annotated[Milliseconds, Meta(description="The time of the session's last event; milliseconds.")]
    closed_at: Annotated[
        Milliseconds,
        Meta(description="The `watermark` of the session: when it could close, in event time; milliseconds."),
    ]
    embedding: Annotated[
        Vector,
        Meta(description="Unit mean of the session's routing vectors, of length d_r; zeros when no item is known."),
    ]
    theme: Annotated[Count, Meta(description="The session's theme, 1 to K; 0 if it has no theme.")]
    theme_weights: Annotated[Vector, Meta(description="Cosines of the embedding to the K prototypes.")]
    router_version: Annotated[Name, Meta(description="The router that gave the theme.")]
