"""Messages on the wire. This package is the single source for decoding, validation and documentation.

Messages are JSON in UTF-8. Every topic of users is keyed by ``user_id``, so that a user lives in one partition of
every such topic. All times are integers, milliseconds since 1970-01-01 UTC.
"""

from mos_online.contracts.accepted_clicks import AcceptedClick, AcceptedClicks, check_accepted
from mos_online.contracts.assignments import MAX_POOL, Assignment, ControlReason, Exploration
from mos_online.contracts.clicks import (
    SESSION_END,
    Click,
    ClickEnvelope,
    Event,
    Heartbeat,
    SessionEvent,
    category_of,
    with_user,
    without_user,
)
from mos_online.contracts.codec import decode_clicks, encode
from mos_online.contracts.dead_letters import DeadLetter, Header
from mos_online.contracts.decisions import Decision, Trigger
from mos_online.contracts.event_types import DEFAULT_EVENT_TYPES, EventType, EventTypes
from mos_online.contracts.fields import MAX_MESSAGE_BYTES, Context, Id, Milliseconds, Scalar
from mos_online.contracts.impressions import Impression, decode_impression
from mos_online.contracts.late_events import LateEvent
from mos_online.contracts.learning_events import LearningAction, LearningEvent, LearningKind, LearningPart
from mos_online.contracts.lenient import NOT_JSON, decode_leniently
from mos_online.contracts.outcomes import Outcome, OutcomeItem
from mos_online.contracts.recommendations import (
    Fallback,
    FallbackReason,
    FallbackSource,
    RankedItem,
    Recommendation,
    ServedAnswer,
    request_id_of,
)
from mos_online.contracts.router_updates import MAX_ROWS, RouterUpdate, decode_router_update
from mos_online.contracts.session_embeddings import SessionEmbedding
from mos_online.contracts.sessions import CloseReason, Session, actions_of, check_session
from mos_online.contracts.topics import (
    ACCEPTED_CLICKS,
    CLICKS,
    COMPACTED,
    DEAD_LETTERS,
    DECISIONS,
    IMPRESSIONS,
    JOINER_CHECKPOINTS,
    LATE_EVENTS,
    LEARNING_EVENTS,
    OUTCOMES,
    RECOMMENDATIONS,
    ROUTER_UPDATES,
    SESSION_EMBEDDINGS,
    SESSIONIZER_CHECKPOINTS,
    SESSIONS,
    TOPICS,
)

__all__ = [
    "ACCEPTED_CLICKS",
    "CLICKS",
    "COMPACTED",
    "DEAD_LETTERS",
    "DECISIONS",
    "DEFAULT_EVENT_TYPES",
    "IMPRESSIONS",
    "JOINER_CHECKPOINTS",
    "LATE_EVENTS",
    "LEARNING_EVENTS",
    "MAX_MESSAGE_BYTES",
    "MAX_POOL",
    "MAX_ROWS",
    "NOT_JSON",
    "OUTCOMES",
    "RECOMMENDATIONS",
    "ROUTER_UPDATES",
    "SESSIONIZER_CHECKPOINTS",
    "SESSIONS",
    "SESSION_EMBEDDINGS",
    "SESSION_END",
    "TOPICS",
    "AcceptedClick",
    "AcceptedClicks",
    "Assignment",
    "Click",
    "ClickEnvelope",
    "CloseReason",
    "Context",
    "ControlReason",
    "DeadLetter",
    "Decision",
    "Event",
    "EventType",
    "EventTypes",
    "Exploration",
    "Fallback",
    "FallbackReason",
    "FallbackSource",
    "Header",
    "Heartbeat",
    "Id",
    "Impression",
    "LateEvent",
    "LearningAction",
    "LearningEvent",
    "LearningKind",
    "LearningPart",
    "Milliseconds",
    "Outcome",
    "OutcomeItem",
    "RankedItem",
    "Recommendation",
    "RouterUpdate",
    "Scalar",
    "ServedAnswer",
    "Session",
    "SessionEmbedding",
    "SessionEvent",
    "Trigger",
    "actions_of",
    "category_of",
    "check_accepted",
    "check_session",
    "decode_clicks",
    "decode_impression",
    "decode_leniently",
    "decode_router_update",
    "encode",
    "request_id_of",
    "with_user",
    "without_user",
]
