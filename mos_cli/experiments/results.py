"""``mos experiments status`` and ``report``: what the learner has found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from mos_online.errors import SettingsError
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.verdict import Verdict, relative
from mos_online.learning.canonical import canonical
from mos_online.learning.kept_results import read_results

NOTHING_YET = Verdict(word="keep running", why="no outcome has come yet")


def results_of(folder: Path, name: str | None) -> list[ExperimentResult]:
    """What the learner of a folder has found.

    Args:
        folder: of the learner.
        name: of one experiment, all its versions; None: of all.

    Raises:
        SettingsError: there is none.
    """
    found = read_results(folder)
    if not found:
        raise SettingsError(f"{folder} has no results: `mos learn` writes them while an experiment is in force")
    chosen = [result for result in found if name in (None, result.plan.name)]
    if not chosen:
        names = ", ".join(sorted({result.plan.name for result in found}))
        raise SettingsError(f"there is no experiment {name}; there are {names}")
    return chosen


def status_table(results: Sequence[ExperimentResult]) -> Table:
    """A line for each arm but the control."""
    table = Table(box=SIMPLE, pad_edge=False)
    for head in ("experiment", "arm", "users", "finished", "metric", "difference", "what follows"):
        table.add_column(head, overflow="fold")
    for result in results:
        plan, found = result.plan, {arm.arm: arm.primary for arm in result.arms}
        for arm, users in result.users.items():
            if arm == plan.control:
                continue
            verdict = result.verdicts.get(arm, NOTHING_YET)
            stopped = f" (stopped: {result.stopped})" if result.stopped else ""
            cells = (
                f"{plan.name}/{plan.version}",
                arm,
                f"{users.exposed:,}",
                f"{users.finished:,}",
                plan.primary,
                relative(found[arm]) if arm in found else "hidden",
                f"{verdict.word}: {verdict.why}{stopped}",
            )
            table.add_row(*map(escape, cells))
    return table


def as_json(results: Sequence[ExperimentResult]) -> bytes:
    """The results as one JSON document: a list."""
    return canonical([msgspec.to_builtins(result, str_keys=True) for result in results])
