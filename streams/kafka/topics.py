"""Topics that only the worker itself reads, beside those of ``mos_online.contracts``."""

from __future__ import annotations

from mos_online import contracts
from mos_online.settings import Settings

CHECKPOINTS = "sessionizer-checkpoints"
"""Compacted; key and partition number are the partition of ``clicks`` that the checkpoint is of."""

ALL = (*contracts.TOPICS, CHECKPOINTS)


def all_topics(settings: Settings) -> list[str]:
    """Every topic's name on the cluster."""
    return [settings.topic(name) for name in ALL]
