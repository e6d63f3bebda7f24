"""``mos simulate arms``: an experiment whose true answer is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import log

import msgspec
import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mos_cli.simulate.options import population_of
from mos_online.experiments.arm_result import Levels, result_of
from mos_online.experiments.assignment import BUCKETS
from mos_online.experiments.comparison import Comparison
from mos_online.experiments.contrast import Estimate
from mos_online.experiments.plan import ArmPlan, ExperimentPlan
from mos_online.experiments.sample_ratio import ALPHA, SampleRatio
from mos_online.experiments.user_row import PARTS, UserRow
from mos_online.experiments.verdict import mismatch, verdict_of
from simulator.loop.config import Arm, Drift, Habits
from simulator.loop.rounds import PerUser, run_rounds

NO_MORE = [0] * (PARTS - 1)
"""The simulation does not say when in a user's window something happened."""


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
        lift, low, high: clicks per list, relative to the control, with an interval that may be looked at any time; null
            if nothing is known.
        sample_ratio_mismatch: whether the numbers of users contradict the equal split.
        word, why: what follows for the treated arm.
        requests_per_second: of the simulation.
    """

    arms: list[ArmResult]
    lift: float | None
    low: float | None
    high: float | None
    sample_ratio_mismatch: bool
    word: str
    why: str
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
    result = _judged(done, arms, rate, length=length, duration=duration)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    console.print(_table(result.arms))
    split = "a mismatch" if result.sample_ratio_mismatch else "as planned"
    console.print(
        f"lift of clicks per list {_percent(result.lift)} [{_percent(result.low)}, {_percent(result.high)}], true "
        f"{arms[1].effect:+.1%}; sample ratio: {split}; {rate:,.0f} requests/s",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"{result.word}: {result.why}", highlight=False, soft_wrap=True)


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:+.1%}"


def _judged(done: PerUser, arms: Sequence[Arm], rate: float, *, length: int, duration: int) -> ArmsResult:
    """The experiment on the users of the log, one by one in the order in which they came."""
    plan = ExperimentPlan(
        name="simulation",
        buckets=[[0, BUCKETS]],
        control=arms[0].name,
        arms=[ArmPlan(name=arm.name) for arm in arms],
        primary="ctr",
        secondary=["ndcg"],
        minimum="1s",
        expected_users=max(1_000, int(done.exposed.sum())),
    )
    comparison, split, counts = Comparison.of(plan, arms[1].name), SampleRatio([0.5, 0.5]), [0, 0]
    order = np.flatnonzero(done.exposed)
    order = order[np.argsort(done.begun[order], kind="stable")]
    columns = (column[order].tolist() for column in (done.arm, done.clicks, done.requests, done.ndcg))
    for user, (arm, clicks, requests, ndcg) in enumerate(zip(*columns, strict=True)):
        row = UserRow(
            user_id=str(user),
            arm=arms[arm].name,
            exposed_at=0,
            until=1,
            settled_at=1,
            answers=requests,
            shown=[requests * length, *NO_MORE],
            clicked=[clicks, *NO_MORE],
            ndcg=ndcg,
        )
        comparison.add(plan, row, None, treated=arm == 1, probability=0.5)
        counts[arm] += 1
        if sum(counts) % 100 == 0:
            split.look(counts)
    found = result_of(comparison, Levels.of(plan, arms[1].name))
    verdict = verdict_of(plan, found, elapsed=duration, over=True)
    if split.mismatch:
        verdict = mismatch(split.strongest, log(1 / ALPHA))
    return ArmsResult(
        arms=[_of_arm(done, number, arm) for number, arm in enumerate(arms)],
        lift=_relative(found.primary, found.primary.difference),
        low=_relative(found.primary, found.primary.low),
        high=_relative(found.primary, found.primary.high),
        sample_ratio_mismatch=split.mismatch,
        word=verdict.word,
        why=verdict.why,
        requests_per_second=rate,
    )


def _relative(estimate: Estimate, bound: float | None) -> float | None:
    """By the value of the control; None if either is not known."""
    return None if bound is None or not estimate.control else bound / estimate.control


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
