"""Messages of the topic ``impressions``: what was displayed of an answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mos_online.contracts.decisions import MAX_ITEMS
from mos_online.contracts.fields import MAX_MESSAGE_BYTES, Count, Id, Milliseconds
from mos_online.contracts.lenient import NOT_JSON, decode_leniently
from mos_online.errors import ContractError


class Impression(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Items of one answer were displayed to its user.

    Send one for each part of the list that came into view. A number is accepted as an id and becomes text. Unknown
    fields are ignored.
    """

    event_id: Annotated[Id, Meta(description="The impression's own id; a second one with this id is ignored.")]
    user_id: Annotated[Id, Meta(description="The user; 1 to 256 characters.")]
    request_id: Annotated[Id, Meta(description="The id of the answer whose items were displayed.")]
    item_ids: Annotated[
        list[Id],
        Meta(min_length=1, max_length=MAX_ITEMS, description="The items as they were displayed, in their order."),
    ]
    first_position: Annotated[
        Count, Meta(description="The place of the first of them on the page, counted from 0; 0 if left out.")
    ] = 0
    timestamp: Annotated[
        Milliseconds, Meta(description="When they were displayed, in milliseconds since 1970 UTC; an integer.")
    ]


_impression = msgspec.json.Decoder(Impression)


def decode_impression(raw: bytes | None) -> Impression:
    """Decode a message of the topic ``impressions``.

    Raises:
        ContractError: the message is not JSON or too large, or a field is missing, mistyped or out of range.

    >>> decode_impression(b'{"event_id":"e","user_id":1,"request_id":"r","item_ids":[7],"timestamp":5}').item_ids
    ['7']
    """
    if raw is None:
        raise ContractError("empty", "the message has no value (a tombstone); send an impression")
    if len(raw) > MAX_MESSAGE_BYTES:
        raise ContractError("too_large", f"{len(raw)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    try:
        return decode_leniently(_impression, raw)
    except msgspec.ValidationError as error:
        raise ContractError("invalid", str(error)) from None
    except NOT_JSON as error:
        raise ContractError("not_json", f"not JSON: {error}") from None
