"""The part of the learner that removes what arms of ended experiments have left, when nobody reads it any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from mos_online.experiments.in_force import InForce
from mos_online.experiments.treatment import arm_keys
from mos_online.learning.part import Alarm, LearningBatch

WAIT = 60.0
"""Seconds from the end of an experiment until its rows go; replicas that see the registry follow within a second."""


class EndedArms:
    """Removes the rows of ended arms from the online store, and their revisions once the experiment is forgotten.

    As long as it is known what an experiment was (``in_force.MOST_ENDED``), ``mos routers list --arm`` shows its
    revisions.
    """

    name = "ended-arms"
    horizon = 0

    def __init__(
        self,
        in_force: Callable[[], InForce],
        *,
        delete_rows: Callable[[Sequence[str]], None],
        forget: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know of nothing yet.

        Args:
            in_force: the same object until something else is in force.
            delete_rows: deletes what the online store has of arms; raises StoreError.
            forget: removes the revisions of an arm; raises RegistryError.
            clock: gives seconds.
        """
        self._in_force, self._delete_rows, self._forget, self._clock = in_force, delete_rows, forget, clock
        self._seen = InForce()
        self._due: dict[str, float] = {}
        self._removed: set[str] = set()
        self._forgotten: set[str] = set()

    def take(self, batch: LearningBatch) -> None:
        """What is learned does not matter here."""

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Remove what is due.

        Raises:
            MosError: the store or the registry is away; it is tried again.
        """
        del event_time
        self._follow()
        now = self._clock()
        due = sorted(arm for arm, at in self._due.items() if at <= now)
        if due:
            self._delete_rows(due)
            self._removed.update(due)
            self._due = {arm: at for arm, at in self._due.items() if arm not in self._removed}
        for arm in sorted(self._forgotten):
            self._forget(arm)
            self._forgotten.discard(arm)
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Nothing follows from an alarm."""

    def status(self) -> Mapping[str, object]:
        """How many arms wait, and how many were removed."""
        return {"waiting": len(self._due), "removed": len(self._removed)}

    def _follow(self) -> None:
        found, before = self._in_force(), self._seen
        if found is before:
            return
        self._seen, at = found, self._clock() + WAIT
        running = {arm for one in found.running for arm in arm_keys(one)}
        ended = {arm for one in found.ended for arm in arm_keys(one)} - running
        self._removed &= ended
        self._due = {arm: self._due.get(arm, at) for arm in ended - self._removed}
        self._forgotten |= {arm for one in before.ended for arm in arm_keys(one)} - ended
        self._forgotten -= running | ended
