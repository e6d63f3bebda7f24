"""What does an arm that harms cost, until it is taken back by itself? Users of many experiments, answer by answer.

    python benchmarks/harmful_arm.py [--runs 20] [--users 15000]

Prints Markdown. Outcomes go through the code that `mos learn` runs. An arm is taken back at the first batch of event
time that shows harm, so the cost is the users who were exposed to it until then.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from mos_online.contracts import Assignment, Fallback, Outcome, OutcomeItem
from mos_online.experiments.counting import Counting
from mos_online.experiments.plan import ArmPlan, ExperimentPlan, Guardrail
from mos_online.experiments.trials import Trials

DAY = 86_400_000
FEEDBACK = 30 * 60_000
BEGIN = 20_000 * DAY
USERS_A_DAY = 10_000
PLACES = 10
CTR, SLOW, FALLS_BACK = 0.05, 20.0, 0.05


class Case(NamedTuple):
    """What is planted in the treated arm, as a factor of the control's value."""

    name: str
    ctr: float = 1.0
    latency: float = 1.0
    fallback: float = 1.0
    theme: float = 1.0


CASES = (
    Case("nothing (A/A)"),
    Case("CTR 10 % lower", ctr=0.9),
    Case("CTR 20 % lower", ctr=0.8),
    Case("CTR 50 % lower", ctr=0.5),
    Case("latency 50 % higher", latency=1.5),
    Case("three times the fallbacks", fallback=3.0),
    Case("a theme is shown a tenth as often", theme=0.1),
)
PLAN = ExperimentPlan(
    name="routing",
    buckets=[[0, 10_000]],
    control="frozen",
    arms=[ArmPlan(name="frozen"), ArmPlan(name="online")],
    primary="ctr",
    guardrails=[
        Guardrail(metric="ctr", margin=0.05),
        Guardrail(metric="latency", margin=0.2, slower_than=50),
        Guardrail(metric="fallback", margin=0.5),
        Guardrail(metric="theme-exposure", margin=0.75),
    ],
    window="1d",
    minimum="7d",
)


def answer(rng: np.random.Generator, case: Case, user: int, at: int, *, treated: bool) -> Outcome:
    """One answer of ten items to a user."""
    factor = case if treated else CASES[0]
    appetite = rng.gamma(2, 0.5)
    clicked = rng.random(PLACES) < CTR * factor.ctr * appetite
    rare = rng.random(PLACES) < 0.2 * factor.theme
    return Outcome(
        request_id=f"r{user}",
        user_id=f"u{user}",
        timestamp=at,
        window_end=at + FEEDBACK,
        trigger="request",
        shown_by="request",
        items=[
            OutcomeItem(
                item_id=f"i{place}",
                score=1.0,
                theme=2 if rare[place] else 1,
                position=place,
                clicks=int(clicked[place]),
                weight=float(clicked[place]),
                first_click_after=None,
            )
            for place in range(PLACES)
        ],
        clicks_by_request=int(clicked.sum()),
        clicks_by_item=0,
        candidates=100,
        model_version="m",
        router_version="r",
        fallback=Fallback(source="model", reason="store_unavailable")
        if rng.random() < FALLS_BACK * factor.fallback
        else None,
        latency_ms=float(rng.gamma(4, SLOW / 4)) * factor.latency,
        assignments=[Assignment("routing", 1, "online" if treated else "frozen", 0.5)],
    )


class Cost(NamedTuple):
    """What one run cost: users who were exposed to the arm, finished users of both, and days; None: it stayed."""

    exposed: int
    finished: int
    days: float


def run(case: Case, users: int, seed: int) -> Cost | None:
    """One experiment."""
    rng, trials = np.random.default_rng(seed), Trials(Counting(), feedback_window=FEEDBACK, session_gap=FEEDBACK)
    trial = trials.start(PLAN)
    for user in range(users):
        at = BEGIN + user * DAY // USERS_A_DAY
        outcome = answer(rng, case, user, at, treated=bool(rng.random() < 0.5))
        trials.take((), [outcome], outcome.window_end + 1)
        if trial.verdicts["online"].word == "harm":
            found = trial.result()
            finished = sum(arm.finished for arm in found.users.values())
            return Cost(found.users["online"].exposed, finished, (outcome.window_end - BEGIN) / DAY)
    return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--users", type=int, default=15_000, help="of both arms together")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.runs} runs of {asked.users:,} users, {USERS_A_DAY:,} a day, window {PLAN.window}\n")
    print("| planted | taken back | exposed users of the arm (median) | finished users of both | days |")
    print("|---|---|---|---|---|")
    for case in CASES:
        costs = [run(case, asked.users, asked.seed + number) for number in range(asked.runs)]
        found = [cost for cost in costs if cost is not None]
        if not found:
            print(f"| {case.name} | 0 of {asked.runs} | | | |", flush=True)
            continue
        exposed, finished, days = (np.median(column) for column in zip(*found, strict=True))
        print(
            f"| {case.name} | {len(found)} of {asked.runs} | {exposed:,.0f} | {finished:,.0f} | {days:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
