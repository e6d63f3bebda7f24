"""``mos experiments estimate``: what a version of the model would be worth, before anybody is served with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mos_cli.experiments.candidate import Asked, lists_of
from mos_cli.progress import progress_bar
from mos_cli.simulate.model import stream_rules
from mos_online.contracts import Outcome, Session
from mos_online.experiments.examination import Examination, estimated, examination
from mos_online.experiments.explored import ExploredAnswers, explored_answers, is_explored, ranks_in_pools
from mos_online.experiments.off_policy import Value
from mos_online.learning.kept_records import kept_records
from mos_online.recommend.recommender import Recommender
from mos_online.registry import open_registry
from mos_online.registry.model_config import load_config
from mos_online.settings import Settings
from simulator.loop.served import Served

LIMITS = (
    "It rests on places of the list that held a random candidate, and on this: whether a place is looked at depends on "
    "the place alone. The lists are made anew from the learner's log, with the router that the model was trained with. "
    "What a request excluded is not known. It says nothing of a model that learns, or of what users do later."
)


class EstimateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was estimated.

    Attributes:
        version: of the candidate.
        answers, users: from which it was estimated.
        left_out: answers that explored in another way.
        served: clicked items per answer as they were served; candidate: as they would be.
        steepness, steepness_error: of the examination curve; see ``Examination``.
    """

    version: str
    answers: int
    users: int
    left_out: int
    served: Value
    candidate: Value
    steepness: float
    steepness_error: float


def estimate(settings: Settings, version: str, *, answers: int, as_json: bool, console: Console) -> None:
    """Estimate and print.

    Raises:
        DatasetError: the log cannot tell.
        ModelError: there is no such version.
    """
    folder = open_registry(settings).fetch(version)
    sessions, outcomes = _read(kept_records(settings.learning_dir / "log"), answers)
    explored = explored_answers(outcomes)
    examined = examination(explored.logged)
    stated = load_config(folder)
    with progress_bar(Console(stderr=True), counted=True, transient=True) as bar:
        task = bar.add_task("asking the candidate", total=len(explored.outcomes))
        lists = lists_of(
            Served("candidate", Recommender.load(folder, gap_ms=settings.sessions.gap), stated.sizes),
            sessions,
            [Asked(one.user_id, one.timestamp, len(one.items)) for one in explored.outcomes],
            stream_rules(settings),
            half_lives=(stated.half_life_ms, stated.co_click_half_life_ms),
            on_progress=lambda done: bar.update(task, completed=done),
        )
    result = _result(stated.version, explored, lists, examined)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    _show(result, console)


def _read(records: Iterable[Session | Outcome], answers: int) -> tuple[list[Session], list[Outcome]]:
    """All sessions, and the newest answers that explored."""
    sessions: list[Session] = []
    outcomes: list[Outcome] = []
    for record in records:
        if isinstance(record, Session):
            sessions.append(record)
        elif is_explored(record):
            outcomes.append(record)
    return sessions, outcomes[-answers:]


def _result(version: str, explored: ExploredAnswers, lists: list[list[str]], examined: Examination) -> EstimateResult:
    logged = explored.logged
    same = np.broadcast_to(np.arange(logged.shown.shape[1]), logged.shown.shape)
    return EstimateResult(
        version=version,
        answers=len(explored.outcomes),
        users=len(np.unique(logged.users)),
        left_out=explored.left_out,
        served=estimated(logged, same, examined),
        candidate=estimated(logged, ranks_in_pools(explored.outcomes, lists), examined),
        steepness=examined.steepness,
        steepness_error=examined.error,
    )


def _show(result: EstimateResult, console: Console) -> None:
    table = Table(
        "", "clicked items per answer", "95 % interval", "band", "effective sample", "unsupported", box=SIMPLE
    )
    for name, value in (("as served, unexplored", result.served), (result.version, result.candidate)):
        table.add_row(name, *_cells(value))
    console.print(table)
    lines = [
        f"{result.answers:,} answers to {result.users:,} users; {result.left_out:,} that explored otherwise are left "
        f"out; place p is examined p^-{result.steepness:.2f} (± {result.steepness_error:.2f}) times as often as the "
        "first",
        "the band is the estimate with the examination curve a fifth steeper or flatter",
    ]
    if result.candidate.refused is not None:
        lines.append(f"refused: {result.candidate.refused}")
    for line in (*lines, LIMITS):
        console.print(line, highlight=False, soft_wrap=True)


def _cells(value: Value) -> tuple[Any, ...]:
    effective, unsupported = f"{value.effective:.1%}", f"{value.unsupported:.1%}"
    if value.refused is not None:
        return "not known", "", "", effective, unsupported
    low, high = value.band
    interval = f"[{value.low:.4f}, {value.high:.4f}]"
    return f"{value.mean:.4f}", interval, f"{low:.4f} to {high:.4f}", effective, unsupported
