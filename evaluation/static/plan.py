"""Which runs are compared: the full plan of about three and a half hours and the quick one of five minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from evaluation.candidates.counting import COUNTING_MODELS
from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.protocol.fitting import FitConfig
from evaluation.protocol.split import SplitConfig
from mos_online.errors import SettingsError
from mos_online.training import TrainConfig

BASELINE, OURS, SERVED = "backbone+table", "mos", "mos-served"

REFERENCE = TrainConfig.backbone
"""The backbone of the shipped model, on which most questions are asked."""

REAL = (
    "amazon_beauty",
    "gowalla_1000_users",
    "amazon_grocery_no_tail",
    "steam_australian",
    "movielens_100k",
    "yelp_2019",
)

RIVALS = ("wide", "mmoe", "ple", "gshard", "dselect-k", "expert-choice", "comirec")
HISTORIES = ("long", "short", "hrnn", "dsin")
FRESH = ("backbone+fresh-table", "mos-fresh")
NEGATIVE = ("mos-contrastive", "mos-own")
SUPERSEDED = ("mos-residual", "mos-recurrent")
COUNTING, COUNTED = "counting", tuple(COUNTING_MODELS)
HOPS = (0.1, 0.4, 0.8)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate model on one dataset and backbone, with all its seeds."""

    dataset: str
    backbone: str
    model: str
    seeds: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of a static comparison.

    Attributes:
        tasks: in the order in which they are done.
        split, fit: the same for all.
    """

    tasks: list[Task]
    split: SplitConfig
    fit: FitConfig

    @property
    def runs(self) -> int:
        """How many fits, not counting the choice of learning rates."""
        return sum(task.seeds for task in self.tasks)


SEEDS = 5
"""The number of seeds of a comparison that goes beyond a plan, unless another number is asked for."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants to see of a plan; an empty list means everything.

    Attributes:
        datasets, backbones, models: the names wanted. If all three are given, a comparison may go beyond the plan. A
            dataset that the plan does not have gets what opens the report.
        seeds: of every model, instead of the plan's.
    """

    datasets: Sequence[str]
    backbones: Sequence[str]
    models: Sequence[str]
    seeds: int | None

    def of(self, plan: Plan) -> Plan:
        """The plan with the wanted tasks.

        Raises:
            SettingsError: nothing of the plan is wanted.
        """
        if self.datasets and self.backbones and self.models:
            models = [model for model in self.models if model not in {_alone(other) for other in self.models}]
            tasks = [
                task
                for task in _tasks(self.datasets, self.backbones, models, self.seeds or SEEDS)
                if (task.backbone == COUNTING) == (task.model in COUNTING_MODELS)
            ]
            return self._some(plan, tasks)
        planned = {task.dataset for task in plan.tasks}
        others = [name for name in self.datasets if name not in planned]
        tasks = [
            msgspec.structs.replace(task, seeds=self.seeds or task.seeds)
            for task in [*plan.tasks, *opening(others)]
            if (not self.datasets or task.dataset in self.datasets)
            and (not self.backbones or task.backbone in self.backbones)
            and (not self.models or {task.model, _alone(task.model)} & set(self.models))
        ]
        return self._some(plan, tasks)

    @staticmethod
    def _some(plan: Plan, tasks: list[Task]) -> Plan:
        if not tasks:
            raise SettingsError(
                "nothing in the plan fits --dataset, --backbone and --model; give all three to go beyond it. Models "
                f"that count ({', '.join(COUNTED)}) have the backbone {COUNTING}, and no others"
            )
        return msgspec.structs.replace(plan, tasks=tasks)


def _alone(model: str) -> str | None:
    """The other model that a fit of this one scores."""
    return CANDIDATE_MODELS[model].alone if model in CANDIDATE_MODELS else None


def full() -> Plan:
    """About three and a half hours on two cores, what matters most first: the opening table, then the claims.

    Most ablations and compared models are on the log of Beauty, whose fits take one to two minutes.
    """
    beauty, long = [REAL[0]], [REAL[1]]
    planted = [f"synthetic:hop={hop}" for hop in HOPS]
    noisy = [f"{planted[-1]},noise={noise}" for noise in (0.0, 0.3)]
    groups = [
        [*opening(REAL)],
        [*_tasks(planted, [COUNTING], COUNTED, 1)],
        [*_tasks(planted, [REFERENCE], [OURS, BASELINE], 2)],
        [*_tasks([*REAL, planted[-1]], [REFERENCE], ["mos-random"], 2)],
        [*_tasks([*beauty, *long, REAL[2], REAL[5]], ["gru4rec"], [OURS, BASELINE], 2)],
        [*_tasks([*beauty, *long], ["sasrec"], [OURS], 2)],
        [*_tasks(beauty, [REFERENCE], [*RIVALS, *HISTORIES, "backbone", "prior", *SUPERSEDED], 2)],
        [*_tasks(beauty, ["din", "twin", "mamba4rec", "sdim"], [BASELINE, OURS], 2)],
        [*_tasks(long, [REFERENCE], ["comirec"], 2)],
        [*_tasks([planted[-1]], [REFERENCE], ["wide", "mmoe", "dselect-k", "comirec"], 2)],
        [*_tasks(noisy, [REFERENCE], [BASELINE, OURS], 2)],
        [*_tasks(beauty, [REFERENCE], [*FRESH, *NEGATIVE, "mos-category"], 2)],
    ]
    return Plan(
        tasks=[task for group in groups for task in group],
        split=SplitConfig(judged=4_000, tested=6_000),
        fit=FitConfig(),
    )


def opening(datasets: Sequence[str]) -> Iterator[Task]:
    """What opens the report: MoS alone and as served, its backbone, SASRec and those who count."""
    yield from _tasks(datasets, [COUNTING], COUNTED, 1)
    yield from _tasks(datasets, [REFERENCE], [SERVED, BASELINE], 3)  # the fit that is served is scored alone, too
    yield from _tasks(datasets, ["sasrec"], [BASELINE], 3)


def quick() -> Plan:
    """About five minutes on two cores: enough to see that everything runs, too little to conclude anything."""
    sets = ["movielens_100k", "synthetic:hop=0.8"]
    tasks = [
        *_tasks(sets, [REFERENCE], [BASELINE, OURS, "mos-random"], 2),
        *_tasks(sets, [COUNTING], COUNTED, 1),
        *_tasks(["synthetic:hop=0.8"], [REFERENCE], ["wide", "mmoe", "hrnn"], 1),
        *_tasks(["synthetic:hop=0.8"], ["din"], [BASELINE, OURS], 1),
    ]
    return Plan(
        tasks=tasks,
        split=SplitConfig(examples=4_000, judged=1_000, tested=2_000),
        fit=FitConfig(epochs=4),
    )


def _tasks(datasets: Sequence[str], backbones: Sequence[str], models: Sequence[str], seeds: int) -> Iterator[Task]:
    for dataset in datasets:
        for backbone in backbones:
            for model in models:
                yield Task(dataset=dataset, backbone=backbone, model=model, seeds=seeds)


PLANS = {"full": full, "quick": quick}
