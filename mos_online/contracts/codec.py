"""Reads messages of the topic ``clicks`` and writes messages of every topic."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mos_online.contracts.clicks import Click, ClickEnvelope, Heartbeat, with_user
from mos_online.contracts.fields import MAX_MESSAGE_BYTES, Context, Id, Milliseconds, Name
from mos_online.contracts.lenient import NOT_JSON, LooseObject, decode_leniently
from mos_online.errors import ContractError

_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _NumberedClick(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A click whose ids may be whole numbers; reads in one pass what ``lenient`` would rewrite first."""

    user_id: Id | _Number
    event_id: Id | _Number
    item_id: Id | _Number
    timestamp: Milliseconds
    event_type: Id = "click"
    session_id: Name | _Number | None = None
    request_id: Id | _Number | None = None
    context: Context | None = None


_click = msgspec.json.Decoder(Click)
_numbered = msgspec.json.Decoder(_NumberedClick)
_envelope = msgspec.json.Decoder(ClickEnvelope)
_heartbeat = msgspec.json.Decoder(Heartbeat)
encode = msgspec.json.Encoder().encode


def decode_clicks(raw: bytes | None) -> list[Click] | Heartbeat:
    """Decode a message of the ``clicks`` topic: one click, an envelope of clicks, or a heartbeat.

    Ids that are numbers and contexts that are deeper than a list are read by the rules of ``contracts.lenient``.

    Raises:
        ContractError: the message is not JSON or too large, or a field is missing, mistyped or out of range.

    >>> decode_clicks(b'{"event_id":"e1","user_id":"u","item_id":7,"timestamp":5}')[0].item_id
    '7'
    >>> [c.user_id for c in decode_clicks(b'{"user_id":"u","clicks":[{"event_id":"e","item_id":"i","timestamp":5}]}')]
    ['u']
    """
    if raw is None:
        raise ContractError("empty", "the message has no value (a tombstone); send a click, an envelope or a heartbeat")
    if len(raw) > MAX_MESSAGE_BYTES:
        raise ContractError(
            "too_large", f"{len(raw)} bytes; at most {MAX_MESSAGE_BYTES} are read, send smaller envelopes"
        )
    try:
        return [_click.decode(raw)]
    except NOT_JSON:
        pass
    if b'"clicks"' not in raw:  # probably no envelope, so this is worth a try
        try:
            return [_decode_numbered(raw)]
        except NOT_JSON:
            pass
    return _decode_rarer(raw)


def _decode_numbered(raw: bytes) -> Click:
    """Written out, field by field: a loop over the fields takes three times as long."""
    numbered = _numbered.decode(raw)
    user, event, item = numbered.user_id, numbered.event_id, numbered.item_id
    session, request = numbered.session_id, numbered.request_id
    return Click(
        user_id=user if isinstance(user, str) else str(user),
        event_id=event if isinstance(event, str) else str(event),
        item_id=item if isinstance(item, str) else str(item),
        timestamp=numbered.timestamp,
        event_type=numbered.event_type,
        session_id=str(session) if isinstance(session, int) else session,
        request_id=str(request) if isinstance(request, int) else request,
        context=numbered.context,
    )


def _decode_rarer(raw: bytes) -> list[Click] | Heartbeat:
    """Decode an envelope, a heartbeat, or a click that ``lenient`` must rewrite."""
    try:
        loose = LooseObject(raw)
    except msgspec.ValidationError as error:
        raise ContractError("not_object", f"not a JSON object: {error}") from None
    except NOT_JSON as error:
        raise ContractError("not_json", f"not JSON: {error}") from None
    try:
        if "event_id" not in loose.fields:  # with one it is a click, whatever else it carries
            if "clicks" in loose.fields:
                envelope = decode_leniently(_envelope, raw, "clicks")
                return [with_user(event, envelope.user_id) for event in envelope.clicks]
            if "heartbeat" in loose.fields:
                return decode_leniently(_heartbeat, raw)
        return [_click.decode(loose.rewritten())]
    except msgspec.ValidationError as error:
        raise ContractError("invalid", str(error)) from None
    except NOT_JSON as error:
        raise ContractError("not_json", f"not JSON: {error}") from None
