"""Which experiments run now, which have ended, and which arms were taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from mos_online.experiments.plan import ArmPlan, ExperimentPlan

MOST_ENDED = 50
"""Experiments that have ended and of which all is known."""


class ArmRollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An arm whose users get the control until a new version of the experiment.

    Attributes:
        arm: its name.
        at: when, ms since 1970 UTC.
        why: for people.
    """

    arm: str
    at: int
    why: str


class Running(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of an experiment that is in force.

    Attributes:
        layer: its layer.
        plan: as the file says it.
        started_at: ms since 1970 UTC.
        models: exact version of each model that an arm names, as it was when the experiment was started.
        conversions, value: what is counted, as the file said it then.
        rolled_back: arms that were taken back.
    """

    layer: str
    plan: ExperimentPlan
    started_at: int
    models: dict[str, str]
    conversions: list[str] = msgspec.field(default_factory=lambda: ["purchase"])
    value: str | None = None
    rolled_back: list[ArmRollback] = []

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.plan.name

    @property
    def version(self) -> int:
        """Of its split."""
        return self.plan.version

    def arm(self, name: str) -> ArmPlan:
        """The arm of this name, which there must be."""
        return next(arm for arm in self.plan.arms if arm.name == name)

    def is_rolled_back(self, arm: str) -> bool:
        """Whether the arm was taken back."""
        return any(one.arm == arm for one in self.rolled_back)


class Ended(Running, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of an experiment that has ended.

    Attributes:
        ended_at: ms since 1970 UTC.
        why: for people.
    """

    ended_at: int
    why: str


class InForce(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All experiments at one moment.

    Attributes:
        holdout: so many of 10,000 users are in none.
        conversions, value: what an experiment counts that is started now, as the file says it.
        running: those that run.
        ended: the last ones that have ended, in the order of their ends.
        highest: of experiments that ended longer ago, the highest version.
    """

    holdout: int = 0
    conversions: list[str] = msgspec.field(default_factory=lambda: ["purchase"])
    value: str | None = None
    running: list[Running] = []
    ended: list[Ended] = []
    highest: dict[str, int] = {}

    def named(self, experiment: str) -> Running | None:
        """The version of the experiment that runs; None if none does."""
        return next((one for one in self.running if one.name == experiment), None)

    def highest_version(self, experiment: str) -> int:
        """The highest version of the experiment that ever ran; 0 if none did."""
        everything: Iterator[Running] = iter([*self.running, *self.ended])
        return max([self.highest.get(experiment, 0), *(one.version for one in everything if one.name == experiment)])

    def with_ended(self, ended: Sequence[Ended]) -> InForce:
        """The same when these have ended, too. Of those of long ago only the versions stay."""
        kept, highest = [*self.ended, *ended], dict(self.highest)
        for one in kept[:-MOST_ENDED]:
            highest[one.name] = max(one.version, highest.get(one.name, 0))
        return msgspec.structs.replace(self, ended=kept[-MOST_ENDED:], highest=highest)

    def models(self) -> set[str]:
        """Versions of models that running experiments need."""
        return {version for one in self.running for version in one.models.values()}
