"""What has come out of the system so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mos_online.contracts import Recommendation, Session


@dataclass
class Seen:
    """What has come out of the system so far.

    Attributes:
        sessions: session_id -> the session, as first published.
        changed: ids of sessions that were published again with other content.
        repeated: sessions published again, identically.
        embedded: session_id -> theme of the session, once its embedding was published.
        recommendations: session_id -> what was recommended after it.
        freshness_ms: for each recommendation, ms from the click that let the session close to its record on the topic.
        close_ms: for each session, ms from that click to the session's record on the topic.
        embedding_ms: for each session, ms from that click to its embedding record; the profile can be read then.
        fallbacks: reason -> how often the model did not answer.
        dead_letters: reason -> how many.
        unreadable: topic -> records that do not follow its contract.
    """

    sessions: dict[str, Session] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    repeated: int = 0
    embedded: dict[str, int] = field(default_factory=dict)
    recommendations: dict[str, Recommendation] = field(default_factory=dict)
    freshness_ms: list[int] = field(default_factory=list)
    close_ms: list[int] = field(default_factory=list)
    embedding_ms: list[int] = field(default_factory=list)
    fallbacks: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    late: int = 0
