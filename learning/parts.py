"""The parts that the learner has, in the order in which they act."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.learning.part import LearningPart
from mos_online.settings import Settings


def learning_parts(settings: Settings) -> Sequence[LearningPart]:
    """Make the parts.

    Args:
        settings: of everything.
    """
    del settings
    return ()
