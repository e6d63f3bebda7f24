"""Messages of the topic ``recommendations``, and what they share with the answers over HTTP."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.contracts.fields import MAX_ID

FallbackSource = Literal["model", "popularity"]
FallbackReason = Literal["unknown_user", "no_known_items", "store_unavailable"]


class RankedItem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One recommended item. ``theme`` is the item's own theme; 0 means that it fits none."""

    item_id: str
    score: float
    theme: int


class Fallback(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Says that an answer is less than the model's best: what answered, and why."""

    source: Annotated[FallbackSource, Meta(description='What answered: "model" (without the profile) or "popularity".')]
    reason: Annotated[
        FallbackReason,
        Meta(
            description='Why: the user has no profile ("unknown_user"), the model knows none of their items '
            '("no_known_items"), or the profile could not be read ("store_unavailable").'
        ),
    ]


class Served(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Which request was answered, and by what: the fields of every recommendation, over HTTP and on the topic."""

    request_id: Annotated[str, Meta(description="Names this answer; a click on one of its items may carry it.")]
    user_id: str
    experiment: Annotated[str | None, Meta(description="The experiment that the answer belongs to, if any.")]
    arm: Annotated[str | None, Meta(description="The arm of the experiment that answered, if any.")]
    model_version: str
    router_version: str
    fallback: Annotated[
        Fallback | None, Meta(description="What answered instead of the model's best, and why; null if nothing did.")
    ]


class Recommendation(Served, frozen=True, gc=False, kw_only=True):
    """Ranked items for a user, best first, published when one of their sessions has closed.

    ``created_at`` is in milliseconds since 1970 UTC.
    """

    items: list[RankedItem]
    trigger: Literal["session_closed"]
    session_id: str
    created_at: int


def request_id_of(session_id: str) -> str:
    """The ``request_id`` of the recommendation that follows from a session: the same whenever it is asked for.

    It is ``rec-<session_id>`` or, where that is longer than an id may be, ``rec-`` and the SHA-256 of the session id.

    >>> request_id_of("u:5:e")
    'rec-u:5:e'
    >>> len(request_id_of("u" * 256))
    68
    """
    request_id = f"rec-{session_id}"
    return request_id if len(request_id) <= MAX_ID else f"rec-{sha256(session_id.encode()).hexdigest()}"
