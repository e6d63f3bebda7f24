"""``mos simulate arms``: an experiment whose true answer is known."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mos_cli.simulate.options import population_of
from mos_online.experiments.difference import Difference, RatioOutcome
from mos_online.experiments.sample_ratio import SampleRatio
from simulator.loop.config import Arm, Drift, Habits
from simulator.loop.rounds import PerUser, run_rounds


class ArmResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the users of an arm did.

    Attributes:
        arm: its name.
        users: exposed ones that reached the log.
        requests: lists that all users of the arm saw.
        clicks_per_list, ndcg: means over these lists.
    """

    arm: str
    users: int
    requests: int
    clicks_per_list: float
    ndcg: float


class ArmsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the experiment found.

    Attributes:
        arms: control first.
        lift, low, high: clicks per list, relative to the control, with an interval that may be looked at any time.
        sample_ratio_mismatch: whether the numbers of users contradict the equal split.
        requests_per_second: of the simulation.
    """

    arms: list[ArmResult]
    lift: float
    low: float
    high: float
    sample_ratio_mismatch: bool
    requests_per_second: float


def simulate_arms(
    settings_of_users: str,
    arms: Sequence[Arm],
    *,
    habits: Habits,
    drift: Drift | None,
    duration: int,
    length: int,
    seed: int,
    as_json: bool,
    console: Console,
) -> None:
    """Simulate two arms and print what an experiment would say.

    Raises:
        DatasetError, SettingsError: what is asked for cannot be simulated.
    """
    population = population_of(settings_of_users)
    began = time.perf_counter()
    done = run_rounds(population, habits=habits, arms=arms, duration=duration, drift=drift, length=length, seed=seed)
    rate = float(done.requests.sum() / (time.perf_counter() - began))
    result = _judged(done, arms, rate)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    console.print(_table(result.arms))
    split = "a mismatch" if result.sample_ratio_mismatch else "as planned"
    console.print(
        f"lift of clicks per list {result.lift:+.1%} [{result.low:+.1%}, {result.high:+.1%}], true "
        f"{arms[1].effect:+.1%}; sample ratio: {split}; {rate:,.0f} requests/s",
        highlight=False,
        soft_wrap=True,
    )


def _judged(done: PerUser, arms: Sequence[Arm], rate: float) -> ArmsResult:
    """The experiment on the users of the log, one by one in the order in which they came."""
    difference, ratio, split = Difference(), RatioOutcome(), SampleRatio([0.5, 0.5])
    counts = [0, 0]
    order = np.flatnonzero(done.exposed)
    order = order[np.argsort(done.begun[order], kind="stable")]
    for arm, clicks, requests in zip(
        done.arm[order].tolist(), done.clicks[order].tolist(), done.requests[order].tolist(), strict=True
    ):
        difference.add(treated=arm == 1, probability=0.5, outcome=ratio.of(clicks, requests))
        counts[arm] += 1
        if sum(counts) % 100 == 0:
            split.look(counts)
    results = [_of_arm(done, number, arm) for number, arm in enumerate(arms)]
    found, level = difference.interval(expected=max(len(order), 1)), results[0].clicks_per_list or float("nan")
    return ArmsResult(
        arms=results,
        lift=found.mean / level,
        low=found.low / level,
        high=found.high / level,
        sample_ratio_mismatch=split.mismatch,
        requests_per_second=rate,
    )


def _of_arm(done: PerUser, number: int, arm: Arm) -> ArmResult:
    of = done.arm == number
    requests = int(done.requests[of].sum())
    return ArmResult(
        arm=arm.name,
        users=int(done.exposed[of].sum()),
        requests=requests,
        clicks_per_list=float(done.clicks[of].sum()) / max(requests, 1),
        ndcg=float(done.ndcg[of].sum()) / max(requests, 1),
    )


def _table(arms: Sequence[ArmResult]) -> Table:
    table = Table("arm", "users", "lists", "clicks per list", "NDCG", box=SIMPLE)
    for one in arms:
        table.add_row(one.arm, f"{one.users:,}", f"{one.requests:,}", f"{one.clicks_per_list:.4f}", f"{one.ndcg:.4f}")
    return table
