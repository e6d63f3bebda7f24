"""What other people's code may import by name. A change here is a change of the contract: say so in the CHANGELOG."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "mos_online.contracts": {
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
    },
    "mos_online.model": {
        "BACKBONES",
        "Backbone",
        "Batch",
        "History",
        "MoS",
        "MoSConfig",
        "SequenceModel",
        "UserVectors",
        "backbone",
        "collate",
        "realtime_features",
    },
    "mos_online.sessions": {
        "AcceptedLog",
        "SessionizerCheckpoint",
        "ClockState",
        "Output",
        "Rejected",
        "SessionConfig",
        "Sessionizer",
        "offline_sessions",
    },
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_these(name: str) -> None:
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert all(hasattr(module, each) for each in PUBLIC[name])


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    described = [each for each in PUBLIC[name] if isinstance(getattr(module, each), type)]
    assert not [each for each in described if not (getattr(module, each).__doc__ or "").strip()]
