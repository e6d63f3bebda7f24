"""The names of the topics."""

from __future__ import annotations

CLICKS = "clicks"
SESSIONS = "sessions"
LATE_EVENTS = "late-events"
SESSION_EMBEDDINGS = "session-embeddings"
RECOMMENDATIONS = "recommendations"
DEAD_LETTERS = "dead-letters"

TOPICS = (CLICKS, SESSIONS, LATE_EVENTS, SESSION_EMBEDDINGS, RECOMMENDATIONS, DEAD_LETTERS)
"""Every topic of the system, in the order in which data goes through it."""
