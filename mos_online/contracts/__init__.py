"""Messages on the wire: the single source for decoding, validation and documentation.

JSON in UTF-8; every topic but ``dead-letters`` is keyed by ``user_id``, so that a user lives in one partition of
every topic. All times are integers, milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from mos_online.errors import ContractError

CLICKS = "clicks"
SESSIONS = "sessions"
LATE_EVENTS = "late-events"
SESSION_EMBEDDINGS = "session-embeddings"
RECOMMENDATIONS = "recommendations"
DEAD_LETTERS = "dead-letters"

TOPICS = (CLICKS, SESSIONS, LATE_EVENTS, SESSION_EMBEDDINGS, RECOMMENDATIONS, DEAD_LETTERS)
"""Every topic of the system, in the order of the data's way through it."""

MAX_MESSAGE_BYTES = 1_000_000
"""A larger click message goes to the dead-letter topic unread (Kafka's own default limit is 1 MiB)."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]  # up to the year 9999
Scalar = str | int | float | bool | None


class SessionEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event inside a message that already names its user (an envelope or a session)."""

    event_id: Id
    item_id: Id
    timestamp: Milliseconds
    event_type: Id = "click"
    session_id: str | None = None
    context: dict[str, Scalar] | None = None


class Click(SessionEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user did something with an item.

    ``event_id`` makes redelivery harmless. ``event_type`` is free, apart from ``session_end`` (a logout, say),
    which closes the session it belongs to. ``session_id`` is the publisher's own. ``context`` may carry
    ``category``, by which an item that the model has never seen is routed.
    """

    user_id: Id


class ClickEnvelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Several clicks of one user in one Kafka message; cheaper for every reader than one message each."""

    user_id: Id
    clicks: Annotated[list[SessionEvent], msgspec.Meta(min_length=1, max_length=1000)]


class Heartbeat(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The producer's promise that this partition carries nothing older than ``heartbeat`` (ms) from here on.

    Advances event time where no clicks flow: at the end of a replay, or in a quiet partition.
    """

    heartbeat: Milliseconds


CloseReason = Literal["gap", "end_event", "max_events", "max_duration"]
SESSION_END = "session_end"


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A closed session: a maximal run of one user's events, in order of (timestamp, event_id). It is final.

    ``session_id`` is a function of its content (user and first event), so a replayed log gives the same ids.
    ``watermark`` is the event time at which nothing could change it any more; of one user's sessions, those published
    later have a higher (watermark, session_id). ``revision`` grows when the log is sessionized anew under other rules.
    """

    session_id: str
    user_id: str
    started_at: Milliseconds
    ended_at: Milliseconds
    events: Annotated[list[SessionEvent], msgspec.Meta(min_length=1)]
    close_reason: CloseReason
    watermark: Milliseconds
    revision: int = 1


class LateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A click older than its partition's watermark: its session may have closed, so it joins none."""

    click: Click
    watermark: int
    late_by: int
    partition: int
    offset: int


class SessionEmbedding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the profiler made of a closed session, once the user's new state is readable in the online store.

    ``embedding`` is the unit mean of the session's routing vectors (length d_r; zeros when no item is known);
    ``theme`` is 0 when unrouted, else 1..K; ``theme_weights`` are the cosines to the K prototypes.
    """

    session_id: str
    user_id: str
    ended_at: int
    embedding: list[float]
    theme: int
    theme_weights: list[float]
    router_version: str


class RankedItem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One recommended item; ``theme`` is the item's own theme (0: unrouted)."""

    item_id: str
    score: float
    theme: int


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Ranked items for a user. ``fallback`` says why the model did not answer, or is null when it did."""

    request_id: str
    user_id: str
    items: list[RankedItem]
    model_version: str
    router_version: str
    trigger: Literal["session_closed"]
    session_id: str
    created_at: int
    fallback: str | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that no reader could use: where it was, why it failed, and its bytes (base64 in JSON)."""

    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    key: bytes | None
    raw: bytes
    failed_at: int


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
