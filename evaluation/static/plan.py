"""Which runs are compared: the full plan of two to three hours and the quick one of five minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from evaluation.protocol.fitting import FitConfig
from evaluation.protocol.split import SplitConfig
from mos_online.errors import SettingsError

BASELINE, OURS = "backbone+table", "mos"

RIVALS = ("wide", "mmoe", "ple", "gshard", "dselect-k", "expert-choice", "comirec")
HISTORIES = ("long", "short", "hrnn", "dsin")
FRESH = ("backbone+fresh-table", "mos-fresh")
NEGATIVE = ("mos-contrastive", "mos-own")
SUPERSEDED = ("mos-residual", "mos-recurrent")
COUNTED = ("popularity", "item-knn", "vmis-knn")
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
        datasets, backbones, models: the names wanted. If all three are given, a comparison may go beyond the plan.
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
            tasks = [*_tasks(self.datasets, self.backbones, self.models, self.seeds or SEEDS)]
            return msgspec.structs.replace(plan, tasks=tasks)
        tasks = [
            msgspec.structs.replace(task, seeds=self.seeds or task.seeds)
            for task in plan.tasks
            if (not self.datasets or task.dataset in self.datasets)
            and (not self.backbones or task.backbone in self.backbones)
            and (not self.models or task.model in self.models)
        ]
        if not tasks:
            raise SettingsError(
                "nothing in the plan fits --dataset, --backbone and --model; give all three to go beyond it"
            )
        return msgspec.structs.replace(plan, tasks=tasks)


def full() -> Plan:
    """Two to three hours on two cores, what matters most first."""
    long, short = ["gowalla_1000_users", "yelp_2019"], ["amazon_beauty", "amazon_grocery_no_tail", "movielens_100k"]
    planted = [f"synthetic:hop={hop}" for hop in HOPS]
    everywhere = [*long, planted[-1], *short, *planted[:-1], "steam_australian"]
    groups = [
        [*_tasks(everywhere, ["gru4rec"], [BASELINE, OURS], 5)],
        [*_tasks(long, ["pooling"], [BASELINE, OURS], 5)],
        [*_tasks(everywhere[2:], ["pooling"], [BASELINE, OURS], 2)],
        [*_tasks([long[0]], ["din", "sasrec"], [BASELINE, OURS], 2)],
        [*_tasks([*long, planted[-1], *short], ["gru4rec"], ["mos-random"], 2)],
        [*_tasks(everywhere, ["counting"], COUNTED, 1)],
        [*_tasks([long[0]], ["gru4rec"], RIVALS, 2)],
        [*_tasks([planted[-1]], ["gru4rec"], ["wide", "mmoe", "dselect-k", "comirec"], 2)],
        [*_tasks([*long, planted[-1]], ["gru4rec"], ["prior", *SUPERSEDED], 2)],
        [*_tasks([long[1]], ["gru4rec"], ["comirec"], 2)],
        [*_tasks([long[0]], ["twin", "mamba4rec", "sdim"], [BASELINE, OURS], 2)],
        [*_tasks([*long, planted[-1]], ["pooling"], ["mos-random"], 2)],
        [*_tasks([long[0]], ["gru4rec"], [*HISTORIES, "backbone"], 2)],
        [*_tasks([f"{planted[-1]},noise={noise}" for noise in (0.0, 0.3)], ["gru4rec"], [BASELINE, OURS], 2)],
        [*_tasks([long[1], short[0]], ["gru4rec"], FRESH, 2)],
        [*_tasks([long[0]], ["gru4rec"], [*NEGATIVE, "mos-category"], 2)],
    ]
    return Plan(
        tasks=[task for group in groups for task in group],
        split=SplitConfig(examples=10_000, judged=4_000, tested=6_000),
        fit=FitConfig(),
    )


def quick() -> Plan:
    """About five minutes on two cores: enough to see that everything runs, too little to conclude anything."""
    sets = ["movielens_100k", "synthetic:hop=0.8"]
    tasks = [
        *_tasks(sets, ["gru4rec"], [BASELINE, OURS, "mos-random"], 2),
        *_tasks(sets, ["counting"], COUNTED, 1),
        *_tasks(["synthetic:hop=0.8"], ["gru4rec"], ["wide", "mmoe", "hrnn"], 1),
        *_tasks(["synthetic:hop=0.8"], ["din"], [BASELINE, OURS], 1),
    ]
    return Plan(
        tasks=tasks,
        split=SplitConfig(examples=4_000, judged=1_000, tested=2_000),
        fit=FitConfig(epochs=4, patience=2, rates=(1e-2,)),
    )


def _tasks(datasets: Sequence[str], backbones: Sequence[str], models: Sequence[str], seeds: int) -> Iterator[Task]:
    for dataset in datasets:
        for backbone in backbones:
            for model in models:
                yield Task(dataset=dataset, backbone=backbone, model=model, seeds=seeds)


PLANS = {"full": full, "quick": quick}
