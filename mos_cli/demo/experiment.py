"""The demo's experiment: users of a frozen router beside users of one that learns, in the running system."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from mos_cli.demo.counts import result_of, revisions_of, wait_for_counts
from mos_cli.demo.log import DemoLog
from mos_cli.supervisor import Supervisor
from mos_online.experiments.in_force import InForce
from mos_online.experiments.reading import read_plan
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.treatment import Treatments
from mos_online.experiments.trials import SLACK
from mos_online.recommend.probe import check_model
from mos_online.registry import open_registry
from mos_online.settings import Settings
from simulator.visitors import Visitors

FILE = "experiments.yaml"
NAME, VERSION, CONTROL, ARM = "online-routing", 1, "frozen", "online"

TEXT = """\
# Users of a router that stays as it was trained, beside users of one that is revised from their sessions.
layers:
  - name: home
    experiments:
      - name: online-routing
        buckets: [[0, 10000]]
        control: frozen
        arms:
          - {{name: frozen, router: frozen, fast_weights: false}}
          - {{name: online, router: online, fast_weights: false}}
        primary: ctr
        window: {window}
        minimum: {window}
        maximum: {maximum}
        expected_users: {users}
        guardrails: [{{metric: fallback, margin: 0.5}}]
"""

FEWEST = 1_000
"""Users that a plan may expect."""

PARTS = 4
"""The window is this part of the event time in which a user can be counted: three of four enter early enough."""

LONG = 4
"""A replay of so many times the time after which users count surely has some who do."""

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MANY = 10
"""With so many hours in it, a duration is told in hours, and with so many days in days."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What the learner has found at the end of the replay.

    Attributes:
        result: as ``mos experiments status`` shows it; None if the learner has not said anything.
        revisions: how many revisions the router of ``ARM`` has got.
        users: who was answered.
        misplaced: of them, those who were answered in another arm than the documented formula says, or in none.
        due: whether somebody must be counted: the replay is long, and the model answered somebody early in it.
    """

    result: ExperimentResult | None
    revisions: int
    users: int
    misplaced: int
    due: bool


def plan_text(log: DemoLog, settings: Settings) -> str:
    """The file of the experiment, with a window that closes for most users during the replay.

    Args:
        log: what is replayed.
        settings: say when a user counts after the window.
    """
    length = _length(log)
    return TEXT.format(
        window=_duration((length - _settle(settings)) // PARTS),
        maximum=_duration(length + DAY),
        users=max(FEWEST, log.replayed["user_id"].n_unique()),
    )


def start_experiment(log: DemoLog, settings: Settings) -> InForce:
    """Write the file and put it into force, as ``mos experiments start`` does; the services need not run yet."""
    path = settings.home / FILE
    path.write_text(plan_text(log, settings), encoding="utf-8")
    registry = open_registry(settings)
    found = registry.experiments().start(
        read_plan(path), lambda version: check_model(registry.fetch(version)), now=time.time_ns() // 1_000_000
    )
    return found.in_force


def count_users(
    log: DemoLog,
    settings: Settings,
    supervisor: Supervisor,
    in_force: InForce,
    visitors: Visitors,
) -> Experiment:
    """Wait until the running learner has counted what the replay lets it count.

    Args:
        log: what was replayed.
        settings: of the learner.
        supervisor: watched for exits.
        in_force: the experiment.
        visitors: who was answered in which arm.

    Raises:
        MosError: a service exited.
    """
    due = must_count(log, settings, visitors)
    if visitors.arms:
        wait_for_counts(settings, NAME, supervisor.check, begun=due)
    return Experiment(
        result=result_of(settings, NAME),
        revisions=revisions_of(settings, f"{NAME}/{VERSION}/{ARM}"),
        users=len({user for user, _ in visitors.arms}),
        misplaced=misplaced(in_force, visitors.arms),
        due=due,
    )


def must_count(log: DemoLog, settings: Settings, visitors: Visitors) -> bool:
    """Whether somebody must be counted: the replay is long, and the model answered somebody in its first half."""
    early = log.span[0] + _length(log) // 2
    return _length(log) >= LONG * _settle(settings) and any(at < early for at in visitors.ranked)


def misplaced(in_force: InForce, answered: Collection[tuple[str, str | None]]) -> int:
    """How many users were answered in another arm than the documented formula says, or in none.

    Args:
        in_force: the experiment.
        answered: users, and the arm that answered each as "experiment/arm"; None for none.
    """
    treatments, wrong = Treatments(in_force), set()
    for user, arm in answered:
        expected = [f"{one.experiment}/{one.arm}" for one in treatments.of(user).assignments]
        if arm not in expected:
            wrong.add(user)
    return len(wrong)


def _length(log: DemoLog) -> int:
    """Event time of the replay, ms."""
    first, last = log.span
    return last - first


def _settle(settings: Settings) -> int:
    """So long (ms) after the window a user counts: then the last outcomes and sessions are known."""
    return max(settings.join_rules.window, settings.sessions.gap) + SLACK


def _duration(length: int) -> str:
    """A length of time (ms) as a plan has it: whole minutes, at least one; hours or days where these are many.

    >>> _duration(0), _duration(9 * HOUR), _duration(61 * HOUR + 1), _duration(10**11)
    ('1m', '540m', '61h', '1157d')
    """
    if length < MANY * HOUR:
        return f"{max(1, length // MINUTE)}m"
    return f"{length // HOUR}h" if length < MANY * DAY else f"{length // DAY}d"
