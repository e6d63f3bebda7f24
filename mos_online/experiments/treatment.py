"""What a user gets: the arms of all layers together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from mos_online.contracts import Assignment, ControlReason
from mos_online.experiments.assignment import Split, assigned, bucket
from mos_online.experiments.in_force import InForce, Running
from mos_online.experiments.plan import LEARNED, PARAMETERS, RouterPlan
from mos_online.experiments.reading import split_of

CHAMPION: Final = "champion"
"""The arm that everybody teaches who is in no experiment about what is learned."""

FROZEN: Final = ""
"""In the place of an arm: the model's own router, which has no revisions."""

HOLDOUT_SALT = "/holdout"
"""Of the bucket that says who is in no experiment. No layer can have this name."""


class Treatment(NamedTuple):
    """What answers a user.

    Attributes:
        model: its version; None: the model in service, whichever that is.
        router: the model's own, or its newest revision.
        fast_weights: whether there are click probabilities.
        exploration: the probability that a place is explored.
        learner: the arm whose revisions and fast weights they are.
    """

    model: str | None = None
    router: RouterPlan = "online"
    fast_weights: bool = True
    exploration: float = 0.0
    learner: str = CHAMPION


class Treated(NamedTuple):
    """A user's arms, and what comes of them.

    Attributes:
        assignments: one for each experiment that the user is in.
        treatment: what answers.
        teaches: the arm that learns from the user; None if nobody may.
    """

    assignments: list[Assignment]
    treatment: Treatment
    teaches: str | None


DEFAULT = Treatment()
NOBODY = Treated([], DEFAULT, CHAMPION)
"""Of a user who is in no experiment."""


class _Arm(NamedTuple):
    values: dict[str, object]
    teaches: str | None
    diverted: bool
    control_because: ControlReason | None


class _Layer(NamedTuple):
    name: str
    splits: list[Split]
    arms: dict[tuple[str, str], _Arm]


class Treatments:
    """Who gets what while these experiments are in force: a function of the user's id.

    Attributes:
        routers: arms that have revisions of their own -> the version of their model; None is the model in service.
        fast: arms that have fast weights of their own.
        starts: all arms of experiments that run -> when the experiment was started, ms.
    """

    def __init__(self, in_force: InForce, *, not_loaded: Collection[str] = ()) -> None:
        """Prepare what is in force.

        Args:
            in_force: the experiments.
            not_loaded: versions of models that cannot be used; the users of their arms get the control, and those of a
                control with such a model get what everybody gets.
        """
        self._holdout = in_force.holdout
        self._layers: dict[str, _Layer] = {}
        self.routers: dict[str, str | None] = {}
        self.fast: set[str] = set()
        everything: list[Running] = [*in_force.ended, *in_force.running]
        self.starts = {arm: one.started_at for one in in_force.running for arm in arm_keys(one)}
        self._diverts = {(one.name, one.version): _diverts(one) for one in everything}
        for running in in_force.running:
            layer = self._layers.setdefault(running.layer, _Layer(running.layer, [], {}))
            layer.splits.append(split_of(running.plan))
            for arm in running.plan.arms:
                layer.arms[running.name, arm.name] = self._arm(running, arm.name, not_loaded)

    def of(self, user_id: str) -> Treated:
        """What a user gets."""
        if not self._layers or (self._holdout and bucket(HOLDOUT_SALT, user_id) < self._holdout):
            return NOBODY
        assignments: list[Assignment] = []
        values: dict[str, object] = {}
        teaches: str | None = CHAMPION
        for layer in self._layers.values():
            found = assigned(layer.name, layer.splits, user_id)
            if found is None:
                continue
            arm = layer.arms[found.experiment, found.arm]
            if arm.control_because is not None:
                found = replace(found, control_because=arm.control_because)
            assignments.append(found)
            values |= arm.values
            if arm.diverted:
                teaches = arm.teaches
        if not assignments:
            return NOBODY
        return Treated(assignments, DEFAULT._replace(**values), teaches)  # type: ignore[arg-type]

    def learner_of(self, assignments: Sequence[Assignment]) -> str | None:
        """The arm whose fast weights learn from an answer; None if no arm may.

        Args:
            assignments: as the answer says. Those of an experiment that nobody knows teach nobody.
        """
        for one in assignments:
            if self._diverts.get((one.experiment, one.version), True):
                key = f"{one.experiment}/{one.version}/{one.arm}"
                return key if one.control_because is None and key in self.fast else None
        return CHAMPION

    def knows(self, assignments: Sequence[Assignment]) -> bool:
        """Whether all experiments of an answer run, or have ended not long ago."""
        return all((one.experiment, one.version) in self._diverts for one in assignments)

    def router_of(self, treatment: Treatment) -> str:
        """The arm whose revisions of the router a treatment has; ``FROZEN`` if it has none."""
        if treatment.router == "frozen":
            return FROZEN
        return treatment.learner if treatment.learner in self.routers else CHAMPION

    def all(self) -> set[Treatment]:
        """Every treatment that some user may get, the default included."""
        found = {DEFAULT}
        for layer in self._layers.values():
            values = [arm.values for arm in layer.arms.values()]
            found |= {one._replace(**changes) for one in found for changes in values}  # type: ignore[arg-type]
        return found

    def _arm(self, running: Running, name: str, not_loaded: Collection[str]) -> _Arm:
        because: ControlReason | None = None
        served, control = running.arm(name), running.arm(running.plan.control)
        if running.is_rolled_back(name):
            because, served = "rolled_back", control
        elif running.models.get(served.model or "") in not_loaded:
            because, served = "not_loaded", control
        if running.models.get(served.model or "") in not_loaded:  # nothing of the control is left, so nothing is set
            return _Arm({}, None, _diverts(running), "control_not_loaded")
        values = {key: value for key in PARAMETERS if (value := getattr(served, key)) is not None}
        if served.model is not None:
            values["model"] = running.models[served.model]
        diverted = _diverts(running)
        if diverted:
            values["learner"] = learner = arm_key(running, served.name)
            if because is None:
                if served.router != "frozen" and any(arm.router is not None for arm in running.plan.arms):
                    self.routers[learner] = values.get("model")
                if served.fast_weights is not False:
                    self.fast.add(learner)
        return _Arm(values, arm_key(running, name) if because is None else None, diverted, because)


def _diverts(running: Running) -> bool:
    """Whether the users of an experiment teach its arms, and not the champion."""
    return any(getattr(arm, key) is not None for arm in running.plan.arms for key in LEARNED)


def arm_key(running: Running, arm: str) -> str:
    """The name under which what an arm has learned is kept, such as ``routing/1/online``."""
    return f"{running.name}/{running.version}/{arm}"


def arm_keys(running: Running) -> list[str]:
    """The same of all arms of an experiment."""
    return [arm_key(running, arm.name) for arm in running.plan.arms]


NO_EXPERIMENTS: Final = Treatments(InForce())
"""Everybody gets what everybody gets."""
