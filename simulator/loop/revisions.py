"""Revisions of a router in a simulation: made, judged and put into service by the rules of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mos_online.learning.part import Alarm, LearningBatch
from mos_online.themes import Router
from mos_online.themes.gate import judge
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import GateConfig, RevisionConfig
from mos_online.themes.visits import VisitWindow, visit_of
from simulator.loop.served import Served

FEWEST = 2
"""A gate needs sessions that it can compare."""


class Revisions:
    """A part that revises the router after so many sessions, if the gate lets the revision pass.

    It takes the place of the learner's process and of the topic ``router-updates``; how a revision is made and judged
    is the code of the real one.
    """

    name, horizon = "revisions", 0

    def __init__(
        self,
        served: Served,
        *,
        every: int = 250,
        config: RevisionConfig | None = None,
        limits: GateConfig | None = None,
    ) -> None:
        """Revise the router of a way of serving.

        Args:
            served: gets the revisions.
            every: sessions between two of them.
            config, limits: of a revision, and of its gate.
        """
        self._use: Callable[[Router], None] = served.use
        self._base = self._serving = served.recommender.router
        self._config, self._limits = config or RevisionConfig(), limits or GateConfig()
        self._every, self._new, self._sequence = every, 0, 0
        self._window = VisitWindow(self._config.window)
        self._refused: list[str] = []
        self._served = 0

    def take(self, batch: LearningBatch) -> None:
        """Note the sessions."""
        self._new += self._window.add(map(visit_of, batch.sessions))

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Make a revision if one is due."""
        del event_time
        if self._new < max(self._every, FEWEST):
            return ()
        self._new, self._sequence = 0, self._sequence + 1
        visits = self._window.up_to()
        revision = revise(self._base, visits, self._config, sequence=self._sequence)
        judgement = judge(self._base, self._serving, revision, visits, self._config, self._limits)
        if judgement.refused:
            self._refused += judgement.refused
        else:
            self._serving = revision
            self._use(revision)
            self._served += 1
        return ()

    def hear(self, alarm: Alarm) -> None:
        """The next step makes a revision if drift asks for one."""
        if alarm.trigger == "router":
            self._new = max(self._new, self._every)

    def status(self) -> Mapping[str, object]:
        """Revisions in service so far, and why others were refused."""
        return {"revisions": self._served, "refused": self._refused}
