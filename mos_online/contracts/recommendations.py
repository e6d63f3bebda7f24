"""Messages of the topic ``recommendations``, and what they share with the answers over HTTP."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.assignments import Assignment
from mos_online.contracts.fields import MAX_ID, Count, Id, Milliseconds, Name, SessionId

FallbackSource = Literal["model", "popularity"]
FallbackReason = Literal["unknown_user", "no_known_items", "store_unavailable"]


class RankedItem(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One recommended item."""

    item_id: str
    score: Annotated[
        float, Meta(description="The order of the items of one answer. Scores of different answers cannot be compared.")
    ]
    theme: Annotated[
        Count, Meta(description="The item's own theme; 0 if neither the item nor its category has a routing vector.")
    ]
    together_with: Annotated[
        str | None,
        Meta(
            description="An item that the user clicked, if the main reason is that many users click the two together; "
            "otherwise the field is left out."
        ),
    ] = None
    p_click: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="The probability that the item is clicked if it is displayed at its place of the answer; left "
            "out until enough outcomes are known.",
        ),
    ] = None


class Fallback(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer that is less than the model's best: what was used instead, and why."""

    source: Annotated[FallbackSource, Meta(description='What was used: "model" (without the profile) or "popularity".')]
    reason: Annotated[
        FallbackReason,
        Meta(
            description='Why: the user has no profile ("unknown_user"), the model knows none of their items '
            '("no_known_items"), or the profile could not be read ("store_unavailable").'
        ),
    ]


class ServedAnswer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which request was answered, and by what: the fields of every recommendation, over HTTP and on the topic."""

    request_id: Annotated[Id, Meta(description="The id of this answer; a click on one of its items may carry it.")]
    user_id: Id
    model_version: Annotated[Name, Meta(description="The model that answered.")]
    router_version: Annotated[Name, Meta(description="The router that gave the themes.")]
    fallback: Annotated[
        Fallback | None,
        Meta(description="What was used instead of the model with the profile, and why; null if nothing was."),
    ]
    popularity_as_of: Annotated[
        Milliseconds,
        Meta(description="Newest event time of the clicks that the popularity of the items had counted; 0 if none."),
    ] = 0
    co_clicks_as_of: Annotated[Milliseconds, Meta(description="The same of the co-clicks.")] = 0
    assignments: Annotated[
        list[Assignment], Meta(description="The user's arm in each experiment that the user is in.")
    ] = []


class Recommendation(ServedAnswer, frozen=True, gc=False, kw_only=True):
    """Ranked items for a user, published when one of their sessions has closed."""

    items: Annotated[list[RankedItem], Meta(description="Best first.")]
    trigger: Annotated[Literal["session_closed"], Meta(description="What the recommendation was made for.")]
    session_id: Annotated[SessionId, Meta(description="The session that has closed.")]
    created_at: Annotated[
        Milliseconds, Meta(description="When the service answered, by the clock of the worker; milliseconds.")
    ]


def request_id_of(session_id: str) -> str:
    """Return the ``request_id`` of the recommendation that follows from a session, always the same for a session.

    It is ``rec-<session_id>`` or, where that is longer than an id may be, ``rec-`` and the SHA-256 of the session id.

    >>> request_id_of("u:5:e")
    'rec-u:5:e'
    >>> len(request_id_of("u" * 256))
    68
    """
    request_id = f"rec-{session_id}"
    return request_id if len(request_id) <= MAX_ID else f"rec-{sha256(session_id.encode()).hexdigest()}"
