"""Which topics must have as many partitions as which others: a user has the same partition number in all of them."""

from __future__ import annotations

from mos_online import contracts
from mos_online.settings import Settings

FOLLOWING = (
    (
        contracts.CLICKS,
        (
            contracts.SESSIONS,
            contracts.LATE_EVENTS,
            contracts.ACCEPTED_CLICKS,
            contracts.SESSIONIZER_CHECKPOINTS,
            contracts.DECISIONS,
            contracts.IMPRESSIONS,
        ),
    ),
    (contracts.ACCEPTED_CLICKS, (contracts.DECISIONS, contracts.IMPRESSIONS)),
    (contracts.DECISIONS, (contracts.ACCEPTED_CLICKS, contracts.IMPRESSIONS)),
    (contracts.IMPRESSIONS, (contracts.ACCEPTED_CLICKS, contracts.DECISIONS)),
    (contracts.DECISIONS, (contracts.OUTCOMES, contracts.JOINER_CHECKPOINTS)),
    (contracts.SESSIONS, (contracts.SESSION_EMBEDDINGS,)),
    (contracts.SESSION_EMBEDDINGS, (contracts.RECOMMENDATIONS,)),
)
"""A topic, and those whose records have the partition number of the record that they follow from, or of its user."""


def too_small(settings: Settings, states: dict[str, int]) -> dict[str, int]:
    """Topics that have fewer partitions than those that their records follow from -> how many they need."""
    needed = dict(states)
    for source, topics in FOLLOWING:
        for name in map(settings.topic, topics):
            needed[name] = max(needed[name], needed[settings.topic(source)])
    return {name: count for name, count in needed.items() if count > states[name]}
