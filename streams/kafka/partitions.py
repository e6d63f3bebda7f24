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


BY_KEY = (contracts.CLICKS, contracts.DECISIONS, contracts.IMPRESSIONS)
"""Topics whose producers choose the partition by the key, and whose records meet in the joiner."""


def too_small(settings: Settings, states: dict[str, int]) -> dict[str, int]:
    """Topics that have fewer partitions than those that their records follow from -> how many they need."""
    needed = dict(states)
    for source, topics in FOLLOWING:
        for name in map(settings.topic, topics):
            needed[name] = max(needed[name], needed[settings.topic(source)])
    return {name: count for name, count in needed.items() if count > states[name]}


def unequal(settings: Settings, states: dict[str, int]) -> str | None:
    """What is wrong, and how to mend it, if a user has other partition numbers in some topics than in others.

    More partitions than needed do no harm in topics that are written with a partition number: they stay empty.

    Args:
        settings: name the topics.
        states: their partitions.
    """
    counts = {name: states[name] for name in map(settings.topic, BY_KEY)}
    if len(set(counts.values())) == 1:
        return None
    found = ", ".join(f"{name} has {count}" for name, count in counts.items())
    most = max(states.values())
    return (
        f"{found} partitions: they must have the same number, or the clicks of a user do not meet the answers. Some "
        f"outcomes are missing, others lack clicks. Run `mos topics create` with MOS_PARTITIONS={most}: it gives the "
        "others as many. Sessions that are open are then split"
    )
