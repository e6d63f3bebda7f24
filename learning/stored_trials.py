"""What the part of the learner that counts experiments keeps over a restart."""

from __future__ import annotations

import msgspec

from mos_online.contracts import LearningEvent
from mos_online.experiments.in_force import Running
from mos_online.experiments.trial import TrialState
from mos_online.learning.taken import Taken

FILE = "experiments.json"


class StoredTrial(msgspec.Struct, kw_only=True):
    """One experiment on the disk.

    Attributes:
        running: which start of which experiment it is, with the plan and the rule by which it is counted.
        state: what was counted.
        told: the word of each arm that was published last.
    """

    running: Running
    state: TrialState
    told: dict[str, str] = {}


class Stored(msgspec.Struct, kw_only=True):
    """The part on the disk.

    Attributes:
        taken: how far the batches were counted.
        trials: experiments in force.
        unsent: events that Kafka does not have.
    """

    taken: Taken = msgspec.field(default_factory=Taken)
    trials: list[StoredTrial] = []
    unsent: list[LearningEvent] = []
