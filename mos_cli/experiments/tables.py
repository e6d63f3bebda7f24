"""Tables of ``mos experiments``."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table

from mos_online.experiments import BUCKETS
from mos_online.experiments.plan import PARAMETERS, ArmPlan, ExperimentPlan, Plan
from mos_online.experiments.reading import shares


def plan_table(plan: Plan) -> Table:
    """A line for each arm: its share of the users, and what answers them."""
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("layer", "experiment", "version", "arm", "users", *PARAMETERS):
        table.add_column(name, overflow="fold")
    for layer in plan.layers:
        for experiment in layer.experiments:
            for arm, share in zip(experiment.arms, shares(experiment.arms), strict=True):
                table.add_row(
                    layer.name,
                    experiment.name,
                    str(experiment.version),
                    f"{arm.name} (control)" if arm.name == experiment.control else arm.name,
                    f"{_of_users(plan, experiment) * share / BUCKETS:.1%}",
                    *(_value(arm, parameter) for parameter in PARAMETERS),
                )
    return table


def _of_users(plan: Plan, experiment: ExperimentPlan) -> float:
    """The share of all users that are in an experiment."""
    in_layer = sum(high - low for low, high in experiment.buckets) / BUCKETS
    return in_layer * (1 - plan.holdout / BUCKETS)


def _value(arm: ArmPlan, parameter: str) -> str:
    value = getattr(arm, parameter)
    return "" if value is None else str(value).lower()
