"""The wire format for programs, made from the structs: JSON Schemas and an AsyncAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mos_online import __version__
from mos_online.contracts.clicks import Click, ClickEnvelope, Heartbeat
from mos_online.contracts.dead_letters import DeadLetter
from mos_online.contracts.decisions import Decision
from mos_online.contracts.impressions import Impression
from mos_online.contracts.late_events import LateEvent
from mos_online.contracts.learning_events import LearningEvent
from mos_online.contracts.outcomes import Outcome
from mos_online.contracts.recommendations import Recommendation
from mos_online.contracts.router_updates import RouterUpdate
from mos_online.contracts.session_embeddings import SessionEmbedding
from mos_online.contracts.sessions import Session
from mos_online.contracts.topics import (
    CLICKS,
    DEAD_LETTERS,
    DECISIONS,
    IMPRESSIONS,
    LATE_EVENTS,
    LEARNING_EVENTS,
    OUTCOMES,
    RECOMMENDATIONS,
    ROUTER_UPDATES,
    SESSION_EMBEDDINGS,
    SESSIONS,
)

MESSAGES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    CLICKS: (Click, ClickEnvelope, Heartbeat),
    SESSIONS: (Session,),
    LATE_EVENTS: (LateEvent,),
    SESSION_EMBEDDINGS: (SessionEmbedding,),
    RECOMMENDATIONS: (Recommendation,),
    DECISIONS: (Decision,),
    IMPRESSIONS: (Impression,),
    OUTCOMES: (Outcome,),
    LEARNING_EVENTS: (LearningEvent,),
    ROUTER_UPDATES: (RouterUpdate,),
    DEAD_LETTERS: (DeadLetter,),
}
"""What may be on each topic that others read or write."""

TO_US = (CLICKS, IMPRESSIONS)
"""The topics that others write."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SENT_BY_US = "Readers should ignore fields that they do not know: later versions may add some."
_SENT_TO_US = (
    "This is the form to send. Also accepted: numbers as ids, which become text; anything in a context, which is kept "
    "as its JSON text where it is neither a scalar nor a list of scalars; and unknown fields, which are ignored."
)


def json_schema(topic: str) -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12) of the values of one topic."""
    kinds = MESSAGES[topic]
    references = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]
    return {
        "$schema": _DIALECT,
        "title": topic,
        "description": rules(topic),
        **({"anyOf": references} if len(kinds) > 1 else references[0]),
        "$defs": definitions(kinds, "#/$defs/{name}"),
    }


def asyncapi() -> dict[str, Any]:
    """Make the AsyncAPI 3.0 document of all topics, from the point of view of MoS Online."""
    kinds = [kind for found in MESSAGES.values() for kind in found]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "MoS Online",
            "version": __version__,
            "description": "The topics of MoS Online. With MOS_NAMESPACE set, every address begins with it.",
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": topic,
                "description": rules(topic),
                "messages": {kind.__name__: _reference("messages", kind.__name__) for kind in found},
            }
            for topic, found in MESSAGES.items()
        },
        "operations": {
            f"{_action(topic)}-{topic}": {"action": _action(topic), "channel": {"$ref": f"#/channels/{topic}"}}
            for topic in MESSAGES
        },
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds},
            "schemas": definitions(kinds, "#/components/schemas/{name}"),
        },
    }


def rules(topic: str) -> str:
    """Say what there is to know about the messages of a topic beside their fields."""
    return _SENT_TO_US if topic in TO_US else _SENT_BY_US


def _action(topic: str) -> str:
    return "receive" if topic in TO_US else "send"


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    message: dict[str, Any] = {"name": kind.__name__, "payload": _reference("schemas", kind.__name__)}
    if kind is not DeadLetter:
        key = "The arm." if kind in {LearningEvent, RouterUpdate} else "The user_id."
        message["bindings"] = {"kafka": {"key": {"type": "string", "description": key}}}
    return message


def _reference(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def definitions(kinds: Sequence[type[msgspec.Struct]], template: str) -> dict[str, Any]:
    """Make the JSON Schemas of structs and of those inside them; ``template`` makes references of names."""
    _, schemas = msgspec.json.schema_components(kinds, ref_template=template)
    for schema in schemas.values():
        schema["description"] = " ".join(schema["description"].replace("``", "`").split())
    return schemas
