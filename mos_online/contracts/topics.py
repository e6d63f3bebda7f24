"""The names of the topics."""

from __future__ import annotations

CLICKS = "clicks"
SESSIONS = "sessions"
LATE_EVENTS = "late-events"
SESSION_EMBEDDINGS = "session-embeddings"
RECOMMENDATIONS = "recommendations"
DECISIONS = "decisions"
IMPRESSIONS = "impressions"
OUTCOMES = "outcomes"
LEARNING_EVENTS = "learning-events"
"""Keyed by the arm."""
ROUTER_UPDATES = "router-updates"
"""Keyed by the arm, and compacted."""
DEAD_LETTERS = "dead-letters"
ACCEPTED_CLICKS = "accepted-clicks"
"""Internal to the worker: the sessionizer tells the popularity what counts."""
JOINER_CHECKPOINTS = "joiner-checkpoints"
"""Internal to the joiner, and compacted. Key and partition number are the partition of ``decisions``."""
SESSIONIZER_CHECKPOINTS = "sessionizer-checkpoints"
"""Internal to the sessionizer, and compacted. Key and partition number are the partition of ``clicks``."""

TOPICS = (
    CLICKS,
    SESSIONS,
    LATE_EVENTS,
    SESSION_EMBEDDINGS,
    RECOMMENDATIONS,
    DECISIONS,
    IMPRESSIONS,
    OUTCOMES,
    LEARNING_EVENTS,
    ROUTER_UPDATES,
    DEAD_LETTERS,
    ACCEPTED_CLICKS,
    SESSIONIZER_CHECKPOINTS,
    JOINER_CHECKPOINTS,
)
"""Every topic of the system, in the order in which data goes through it."""

COMPACTED = (ROUTER_UPDATES, SESSIONIZER_CHECKPOINTS, JOINER_CHECKPOINTS)
"""Topics of which Kafka keeps the last record of each key."""
