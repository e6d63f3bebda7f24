"""Tables of ``mos experiments``."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table

from mos_online.experiments import BUCKETS
from mos_online.experiments.in_force import InForce, Running
from mos_online.experiments.plan import PARAMETERS
from mos_online.experiments.reading import shares


def plan_table(in_force: InForce) -> Table:
    """A line for each arm: its share of the users, and what answers them."""
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("layer", "experiment", "arm", "users", "is answered by"):
        table.add_column(name, overflow="fold")
    for running in in_force.running:
        for arm, share in zip(running.plan.arms, shares(running.plan.arms), strict=True):
            table.add_row(
                running.layer,
                f"{running.name}, version {running.version}",
                _named(running, arm.name),
                f"{_of_users(in_force, running) * share / BUCKETS:.1%}",
                _set(running, arm.name),
            )
    return table


def other_rules(in_force: InForce) -> list[str]:
    """What experiments go on to count that were started when the file said something else."""
    return [
        f"{one.name} goes on to count what it was started with: conversions {', '.join(one.conversions)}; value "
        f"{one.value or 'none'}. What the file says now holds for experiments that are started from now on"
        for one in in_force.running
        if (one.conversions, one.value) != (in_force.conversions, in_force.value)
    ]


def _named(running: Running, arm: str) -> str:
    if arm == running.plan.control:
        return f"{arm} (control)"
    return f"{arm} (taken back)" if running.is_rolled_back(arm) else arm


def _of_users(in_force: InForce, running: Running) -> float:
    """The share of all users that are in an experiment."""
    in_layer = sum(high - low for low, high in running.plan.buckets) / BUCKETS
    return in_layer * (1 - in_force.holdout / BUCKETS)


def _set(running: Running, arm: str) -> str:
    """What an arm sets; what it leaves open is as for users who are in no experiment."""
    values = {name: value for name in PARAMETERS if (value := getattr(running.arm(arm), name)) is not None}
    if "model" in values:
        values["model"] = running.models.get(values["model"], values["model"])
    return ", ".join(f"{name}: {str(value).lower()}" for name, value in values.items()) or "the champion"
