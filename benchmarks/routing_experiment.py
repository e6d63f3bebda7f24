"""An A/B test of frozen against online routing in the running system, with users whose wishes are known.

    python benchmarks/routing_experiment.py [--same] [--home FOLDER] [--users 1500] [--hours 8] [--window 5]

Kafka, the service, the worker and the learner run. From the beginning on 60 % of the items that the model knows are
replaced by others that nobody has seen. The users of one arm keep the router of the model, and that of the others is
revised from their sessions. With --same both arms are frozen (A/A). All users are in the experiment, and none has fast
weights.

Beside what `mos learn` has found stands what is true: the same users on a virtual clock, in the same two arms, and for
each of their requests the clicks that both lists are worth by the true probabilities. A window begins with a user's
first request. The learner gets its events a little later there than here.

The first run trains a model, and keeps it in FOLDER, if that is given. Prints Markdown. It takes some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import torch
from regained import model_in
from rich.console import Console

from mos_cli.backfill.run import backfill_and_show
from mos_cli.demo.counts import result_of, revisions_of, wait_for_counts
from mos_cli.simulate.model import stream_rules
from mos_cli.supervisor import Supervisor, environment_of, local_services
from mos_online.experiments.reading import parse_plan
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.verdict import relative
from mos_online.ports import free_port
from mos_online.recommend.probe import check_model
from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.registry.model_config import load_config
from mos_online.settings import Settings
from simulator.loop.compose import LoopConfig, crowd_visitors, virtual_loop
from simulator.loop.config import HOUR, Drift, Habits
from simulator.loop.divided import Divided
from simulator.loop.live import LiveLoop, Tally
from simulator.loop.served import Served
from simulator.loop.service import SiteClient
from simulator.loop.shelf import revise_by
from simulator.population import Population, SyntheticConfig, populate
from simulator.replay.speed import Speed

PLAN = """
layers:
  - name: home
    experiments:
      - name: routing
        buckets: [[0, 10000]]
        control: frozen
        arms:
          - {{name: frozen, router: frozen, fast_weights: false}}
          - {{name: {treated}, router: {router}, fast_weights: false}}
        primary: ctr
        secondary: [ndcg]
        window: {window}h
        minimum: {window}h
        maximum: {hours}h
        expected_users: {users}
        guardrails: [{{metric: fallback, margin: 0.5}}]
"""
MODELS = "models"
NEW_ITEM_USERS = 2
"""A new item is recommended when so many users have clicked it, and not 60: there are few users here."""
HABITS = Habits(absence=1.0 * HOUR, organic=0.8)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is simulated.

    Attributes:
        population: the users.
        hours, window: of event time: of the run, and so long a user counts.
        same: whether both arms are frozen.
    """

    population: Population
    hours: int
    window: int
    same: bool

    @property
    def treated(self) -> str:
        """The name of the arm that is compared with the frozen one."""
        return "frozen-too" if self.same else "online"

    @property
    def config(self) -> LoopConfig:
        """What happens."""
        return LoopConfig(habits=HABITS, drift=Drift(at=0, moved=0.0, replaced=0.6, trend=0.0))

    @property
    def plan(self) -> str:
        """The file of the experiment."""
        return PLAN.format(
            treated=self.treated,
            router="frozen" if self.same else "online",
            window=self.window,
            hours=self.hours + 1,
            users=len(self.population.user_ids),
        )


def truth(run: Run, folder: Path) -> tuple[float, ExperimentResult]:
    """What the lists of the treated arm are worth, relative to the frozen one's; and what an experiment finds of it."""
    stated = load_config(folder)
    ways = [
        Served(name, Recommender.load(folder, new_item_users=NEW_ITEM_USERS), stated.sizes)
        for name in ("frozen", run.treated)
    ]
    if not run.same:
        revise_by(ways[1], every=1000)
    settings = Settings.load()
    rules = stream_rules(settings)
    divided = Divided(
        ways,
        window=f"{run.window}h",
        duration=f"{run.hours + 1}h",
        sessions=rules.sessions,
        rules=rules.outcomes,
        seed=0,
    )
    half_lives = stated.half_life_ms, stated.co_click_half_life_ms
    loop = virtual_loop(run.population, ways, run.config, rules, half_lives=half_lives, divided=divided)
    measured = loop.run(run.hours * HOUR)
    lists = len(measured.time)
    print(f"{lists:,} lists on a virtual clock, NDCG {measured.ndcg[:, 0].mean():.3f} frozen", end="; ")
    return measured.lift(1, 0, run.window * HOUR), divided.result()


def live(run: Run, settings: Settings, console: Console) -> tuple[ExperimentResult, Tally, int]:
    """The same in the running system: result, what was asked, and how often the router of the arm was revised."""
    registry, log = open_registry(settings), run.population.dataset
    nameless = replace(log, items=log.items.with_columns(category=pl.lit(None, pl.String)))
    backfill_and_show(nameless, nameless.clicks, settings=settings, console=console)
    registry.experiments().start(
        parse_plan(run.plan), lambda version: check_model(registry.fetch(version)), now=time.time_ns() // 1_000_000
    )
    visitors = crowd_visitors(run.population, run.config, settings.sessions)
    with Supervisor(settings.home / "logs", environment_of(settings)) as supervisor, SiteClient(settings) as client:
        for service in local_services(settings, learn=("--every", "never")):
            supervisor.start(service)
        loop = LiveLoop(visitors, client, speed=Speed.parse("max"), name="a", say=console.print)
        tally = loop.run(run.hours * HOUR, lambda _: supervisor.check())
        wait_for_counts(settings, "routing", supervisor.check, begun=True)
        found = result_of(settings, "routing")
        if found is None:
            raise SystemExit("the learner has said nothing")
        return found, tally, revisions_of(settings, f"routing/1/{run.treated}")


def row(name: str, found: ExperimentResult, true: float) -> str:
    """A line of the table."""
    (arm,) = found.arms
    one, (control, treated) = arm.primary, found.users.values()
    inside = ""
    if one.low is not None and one.high is not None:
        inside = "yes" if one.low <= true * one.control <= one.high else "no"
    word = next(iter(found.verdicts.values())).word
    return (
        f"| {name} | {control.finished:,} + {treated.finished:,} | {one.control:.4f} | {one.treated:.4f} "
        f"| {relative(one)} | {true:+.1%} | {inside} | {found.evidence:.1f} of {found.allowed:.1f} | {word} |"
    )


def main() -> None:
    """Train, simulate both ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--same", action="store_true", help="both arms are frozen")
    parser.add_argument("--home", type=Path, help="where the model is kept (default: nowhere)")
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--window", type=int, default=5, help="hours")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    population = populate(SyntheticConfig(users=asked.users, themes=8, items_per_theme=40))
    run = Run(population=population, hours=asked.hours, window=asked.window, same=asked.same)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = model_in(asked.home or Path(nowhere) / MODELS, population)
        true, virtual = truth(run, folder)
        ports = {name: free_port() for name in ("serve_port", "worker_port", "learn_port")}
        settings = Settings.load(home=Path(nowhere) / "system", new_item_users=NEW_ITEM_USERS, **ports)
        registry = open_registry(settings)
        registry.promote(registry.add(folder), check_model)
        found, tally, revisions = live(run, settings, console)
    print(
        f"{tally.requests:,} lists in the running system, NDCG {tally.ndcg / tally.requests:.3f} of both arms, "
        f"{revisions} revisions\n"
    )
    print("| run | counted users | CTR frozen | CTR of the arm | found | true | inside | split | what follows |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(row("running system", found, true))
    print(row("virtual clock", virtual, true))


if __name__ == "__main__":
    main()
