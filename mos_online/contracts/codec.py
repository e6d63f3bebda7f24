"""Reads messages of the topic ``clicks`` and writes messages of every topic."""

from __future__ import annotations

import msgspec

from mos_online.contracts.clicks import Click, ClickEnvelope, Heartbeat
from mos_online.errors import ContractError

MAX_MESSAGE_BYTES = 1_000_000
"""A larger click message goes to the dead-letter topic unread (Kafka's own default limit is 1 MiB)."""

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for bytes that are no JSON, no UTF-8, or nested without end."""

_click = msgspec.json.Decoder(Click)
_envelope = msgspec.json.Decoder(ClickEnvelope)
_heartbeat = msgspec.json.Decoder(Heartbeat)
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])
encode = msgspec.json.Encoder().encode


def decode_clicks(raw: bytes | None) -> list[Click] | Heartbeat:
    """Decode a message of the ``clicks`` topic: one click, an envelope of clicks, or a heartbeat.

    Raises:
        ContractError: not JSON, too large, or a field is missing, mistyped or out of range.

    >>> decode_clicks(b'{"event_id":"e1","user_id":"u","item_id":"i","timestamp":5}')[0].item_id
    'i'
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
    except msgspec.ValidationError as error:
        return _decode_rarer(raw, error)
    except _NOT_JSON as error:
        raise ContractError("not_json", f"not JSON: {error}") from None


def _decode_rarer(raw: bytes, click_error: msgspec.ValidationError) -> list[Click] | Heartbeat:
    try:
        keys = _keys.decode(raw)
    except _NOT_JSON:
        raise ContractError("not_object", f"not a JSON object: {click_error}") from None
    try:
        if "clicks" in keys:
            envelope = _envelope.decode(raw)
            user = envelope.user_id
            return [
                Click(
                    user_id=user,
                    event_id=c.event_id,
                    item_id=c.item_id,
                    timestamp=c.timestamp,
                    event_type=c.event_type,
                    session_id=c.session_id,
                    context=c.context,
                )
                for c in envelope.clicks
            ]
        if "heartbeat" in keys:
            return _heartbeat.decode(raw)
    except msgspec.ValidationError as error:
        raise ContractError("invalid", str(error)) from None
    except _NOT_JSON as error:
        raise ContractError("not_json", f"not JSON: {error}") from None
    raise ContractError("invalid", str(click_error)) from None
