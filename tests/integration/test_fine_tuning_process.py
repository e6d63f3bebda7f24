"""The process of a fine-tuning, real: what it puts into service, and what a kill leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from learning.fine_tuning import LOG, start_process
from learning.tuning_process import TuningEnd
from mos_online.contracts import Session, encode
from mos_online.fine_tuning.history import History
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell, Known, Source, ids_of
from mos_online.processes import GuardedChild, wait_until, work_of
from mos_online.registry import open_registry
from mos_online.settings import Settings
from tests.fine_tuning.tuning_world import drifted, half, population, sessions_of, train_champion

pytestmark = pytest.mark.slow


def keep(settings: Settings, sessions: Sequence[Session]) -> None:
    """Leave these sessions as the learner would, in several files."""
    kept = LearningLog(settings.learning_dir / "log", days=30, megabytes=100)
    ordered = sorted(sessions, key=lambda session: session.watermark)
    source = Source("sessions", 0)
    for begin in range(0, len(ordered), 500):
        part = ordered[begin : begin + 500]
        cells = [
            Cell(one.watermark, [Known(one.watermark, 0, ids_of(one), source, begin + place, 0, encode(one), one)])
            for place, one in enumerate(part)
        ]
        kept.append(cells, {source: begin + len(part)})


def test_it_promotes_and_a_kill_in_the_middle_leaves_the_champion(
    mos_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_EVENT_TYPES", "*:1")
    log = population(users=900)
    before, after = half(log.clicks)
    registry = open_registry(mos_home)
    champion = train_champion(registry, before, log.items)
    keep(mos_home, sessions_of(drifted(after, log.items)))
    folder = mos_home.learning_dir
    versions = registry.versions()

    killed = start_process(folder, "to be killed", refit=False)
    assert isinstance(killed, GuardedChild)
    learns = lambda: b"learning from" in (folder / LOG).read_bytes()  # noqa: E731
    wait_until(learns, progress=lambda: work_of(killed.pid, folder / LOG))
    os.kill(killed.pid, signal.SIGKILL)
    wait_until(lambda: killed.status() is not None, progress=lambda: None)
    killed.end(signal.SIGKILL, timeout=1)
    assert registry.champion()[1] == champion
    assert registry.versions() == versions
    assert History(folder).read() == []
    assert TuningEnd.read(folder) is None

    child = start_process(folder, "a test", refit=True)
    assert isinstance(child, GuardedChild)
    wait_until(lambda: child.status() is not None, progress=lambda: work_of(child.pid, folder / LOG))
    child.end(signal.SIGKILL, timeout=1)
    end, (first, *more) = TuningEnd.read(folder), History(folder).read()
    assert end is not None
    assert (end.state, child.status()) == ("done", 0)
    last = more[0] if more else first
    assert registry.champion()[1] == (last.candidate if last.result == "promoted" else champion)
    assert last.verdict is not None
    assert (last.result == "promoted") == last.verdict.passed
    assert bool(more) == (first.result != "promoted"), "one that stays in the epoch follows where a new one is refused"
