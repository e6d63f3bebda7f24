"""``mos experiments interleave``: which of two versions users of a log would rather have clicked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mos_cli.experiments.candidate import Asked, lists_of
from mos_cli.progress import progress_bar
from mos_cli.simulate.model import stream_rules
from mos_online.contracts import Session
from mos_online.errors import DatasetError, ModelError
from mos_online.experiments.confidence_sequence import FIRST_LOOK
from mos_online.experiments.interleaving import Preferred, Team, preference, preferred, team_draft
from mos_online.learning.kept_records import kept_records
from mos_online.recommend.recommender import Recommender
from mos_online.registry import Registry, open_registry
from mos_online.registry.model_config import load_config
from mos_online.settings import Settings
from simulator.loop.served import Served

EXPECTED = 2_000
"""Users with a click at which a decision is expected."""

LIMITS = (
    "A first filter of frozen models, no proof: users had seen the lists of the model in service, so what they clicked "
    "next favours models that are like it. It says nothing of revenue, of guardrails, or of a model that learns."
)


class InterleaveResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        a, b: the versions.
        sessions: that were answered; without_click: those that clicked nothing of their list.
        preferred: by users.
    """

    a: str
    b: str
    sessions: int
    without_click: int
    preferred: Preferred


def interleave(settings: Settings, a: str, b: str, *, sessions: int, k: int, as_json: bool, console: Console) -> None:
    """Interleave and print.

    Raises:
        DatasetError: the log has no session that can answer.
        ModelError: there is no such version, or both are the same.
    """
    registry = open_registry(settings)
    first, second = registry.resolve(a), registry.resolve(b)
    if first == second:
        raise ModelError(f"{a} and {b} are the same version {first}: give another one with --b")
    known, asking = _read(settings.learning_dir / "log", sessions)
    requests = [Asked(one.user_id, one.started_at + 1, k) for one in asking]
    lists = [_lists(registry, version, settings, known, requests) for version in (first, second)]
    result = compared(first, second, asking, *lists, k=k)
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
        return
    _show(result, console)


def _read(log: Path, most: int) -> tuple[list[Session], list[Session]]:
    """All sessions of a log, and the newest that go on after their first moment."""
    known = [record for record in kept_records(log) if isinstance(record, Session)]
    asking = [one for one in known if one.ended_at > one.started_at + 1][-most:]
    if not asking:
        raise DatasetError(f"no session of {log} has clicks one after the other: let `mos learn` read some first")
    return known, asking


def _lists(
    registry: Registry, version: str, settings: Settings, known: Sequence[Session], requests: Sequence[Asked]
) -> list[list[str]]:
    folder = registry.fetch(version)
    stated = load_config(folder)
    with progress_bar(Console(stderr=True), counted=True, transient=True) as bar:
        task = bar.add_task(f"asking {version}", total=len(requests))
        return lists_of(
            Served(version, Recommender.load(folder, gap_ms=settings.sessions.gap), stated.sizes),
            known,
            requests,
            stream_rules(settings),
            half_lives=(stated.half_life_ms, stated.co_click_half_life_ms),
            on_progress=lambda done: bar.update(task, completed=done),
        )


def compared(
    a: str, b: str, asking: Iterable[Session], of_a: list[list[str]], of_b: list[list[str]], *, k: int
) -> InterleaveResult:
    """Which of two versions the later clicks of sessions speak for. A user's sessions speak together, and count once.

    Args:
        a, b: the versions.
        asking: the sessions, in order.
        of_a, of_b: the lists of each version for each session.
        k: length of the interleaved lists.
    """
    teams: dict[str, list[Team]] = {}
    clicked: dict[str, list[int]] = {}
    answered, without = 0, 0
    for session, first, second in zip(asking, of_a, of_b, strict=True):
        answered += 1
        list_ = team_draft(session.session_id, first, second, k)
        later = {event.item_id for event in session.events if event.timestamp > session.started_at}
        places = [place for place, item in enumerate(list_.items) if item in later]
        without += not places
        user = teams.setdefault(session.user_id, [])
        found = clicked.pop(session.user_id, [])
        clicked[session.user_id] = [*found, *(len(user) + place for place in places)]  # in the order of last sessions
        user.extend(list_.teams)
    scores = [preference(teams[user], places) for user, places in clicked.items() if places]
    return InterleaveResult(
        a=a, b=b, sessions=answered, without_click=without, preferred=preferred(scores, expected=EXPECTED)
    )


def _show(result: InterleaveResult, console: Console) -> None:
    found = result.preferred
    ties = found.users - found.for_a - found.for_b
    table = Table("users with a click", "prefer a", "prefer b", "ties", "mean", "95 % at all looks", box=SIMPLE)
    bounds = "not known yet" if found.low is None or found.high is None else f"[{found.low:+.3f}, {found.high:+.3f}]"
    table.add_row(f"{found.users:,}", f"{found.for_a:,}", f"{found.for_b:,}", f"{ties:,}", f"{found.mean:+.3f}", bounds)
    console.print(table)
    for line in (f"a is {result.a}, b is {result.b}; {_word(found)}", _of_sessions(result), LIMITS):
        console.print(line, highlight=False, soft_wrap=True)


def _of_sessions(result: InterleaveResult) -> str:
    return f"{result.sessions:,} sessions were answered; {result.without_click:,} clicked nothing of their list"


def _word(found: Preferred) -> str:
    if found.low is None or found.high is None:
        return f"{FIRST_LOOK - found.users:,} more users with a click are needed before anything is said"
    if found.low > 0 or found.high < 0:
        return f"users prefer {'a' if found.low > 0 else 'b'}; it was sure first after {found.sure_after:,} users"
    return "no preference was found"
