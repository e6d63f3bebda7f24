"""The part of the learner that revises routers: that of the champion, and that of each arm that learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mos_online.errors import MosError
from mos_online.experiments.treatment import CHAMPION, NO_EXPERIMENTS, Treatments
from mos_online.learning.arm_router import DAY, ArmRouter, RouterRules
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.learning.router_shelf import RouterShelf
from mos_online.themes.visits import VisitWindow, visit_of


class RouterPart:
    """Makes a revision of the router every so many sessions, or sooner if something asks for it.

    What a revision holds is a function of the base, of the experiments in force, and of the sessions up to one place in
    the order of event time. The shelf keeps the place with the revision. So a learner that was killed goes on as if
    nothing had happened. If it has fallen behind, it makes the last revision that is due and leaves out those before.

    An arm whose router learns has revisions of its own, made from the sessions of its own users; the champion's are
    made from those of users who are in no such experiment. While a revision says ``held``, which a rollback does, none
    of that arm follows.
    """

    name = "router"

    def __init__(
        self,
        shelf: RouterShelf,
        *,
        rules: RouterRules | None = None,
        treatments: Callable[[], Treatments] = lambda: NO_EXPERIMENTS,
    ) -> None:
        """Know nothing yet.

        Args:
            shelf: where revisions are kept.
            rules: how they are made.
            treatments: the experiments in force; the same object until others are.
        """
        self._shelf = shelf
        self._rules = rules or RouterRules()
        self._in_force = treatments
        self._window = VisitWindow(self._rules.config.window + 20 * self._rules.schedule.every)
        self._treatments = NO_EXPERIMENTS
        self._teaches: dict[str, str | None] = {}
        self._champion = self._arm(CHAMPION, None)
        self._arms: dict[str, ArmRouter] = {}

    @property
    def horizon(self) -> int:
        """The span of the window, and a day for what was not decided yet."""
        return self._rules.schedule.span + DAY

    def take(self, batch: LearningBatch) -> None:
        """Remember the sessions."""
        self._follow()
        visits = [visit for visit in map(visit_of, batch.sessions) if visit.items]
        self._window.add(visits)
        for arm in self._all():
            arm.take(visits)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Make the revisions that are due, and put them into service or say why not.

        Raises:
            MosError: the first of an arm; the others were seen to all the same.
        """
        self._shelf.tend()
        self._follow()
        failure: MosError | None = None
        for arm in self._all():
            try:
                arm.step(event_time)
            except MosError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return ()

    def hear(self, alarm: Alarm) -> None:
        """A drift of the themes asks for a revision now, also where it asks for a new epoch: that takes longer."""
        if alarm.trigger in {"router", "router-fit"}:
            for arm in self._all():
                arm.ask(alarm.why)

    def status(self) -> Mapping[str, object]:
        """The revision in service, what the gate measured last, and what is waited for; then the same of each arm."""
        arms = {f"arm {name}": arm.status() for name, arm in self._arms.items()}
        return {**self._champion.status(), **arms}

    def _all(self) -> list[ArmRouter]:
        return [self._champion, *self._arms.values()]

    def _follow(self) -> None:
        """Begin with arms that have come, and forget those that have gone."""
        treatments = self._in_force()
        if treatments is self._treatments:
            return
        self._treatments, before = treatments, self._arms
        self._teaches.clear()
        self._arms = {}
        for name, model in treatments.routers.items():
            known = before.get(name)
            self._arms[name] = known if known is not None and known.model == model else self._arm(name, model)

    def _arm(self, name: str, model: str | None) -> ArmRouter:
        return ArmRouter(name, model, self._shelf, self._window, partial(self._learns, name), self._rules)

    def _learns(self, arm: str, user_id: str) -> bool:
        try:
            return self._teaches[user_id] == arm
        except KeyError:
            if len(self._teaches) > 2 * len(self._window):
                self._teaches.clear()
            teaches = self._teaches[user_id] = self._treatments.of(user_id).teaches
            return teaches == arm
