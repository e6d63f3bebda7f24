"""The learner's log: what a crash leaves, what is merged, what goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Outcome, Session, encode
from mos_online.learning import log as learning_log
from mos_online.learning.kept_sessions import newest_outcomes
from mos_online.learning.log import DAY, LearningLog
from mos_online.learning.log_file import name_of
from mos_online.learning.order import Cell, Known, Source, ids_of
from tests.learning.records import outcome, session


def cell(number: int, event_time: int) -> Cell:
    """A cell with a session and an outcome."""
    some: list[Session | Outcome] = [
        session("u", number, closed_at=event_time - 1),
        outcome(f"r{number}", "v", closed_at=event_time - 1),
    ]
    sources = [Source("sessions", 3), Source("outcomes", 0)]
    records = [
        Known(event_time - 1, kind, ids_of(record), sources[kind], number, 7, encode(record), record)
        for kind, record in enumerate(some)
    ]
    return Cell(event_time, records)


def test_the_newest_outcomes_are_read_beside_the_sessions(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for number in range(5):
        log.append([cell(number, 1000 * number + 1000)], offsets(number))
    assert [one.request_id for one in newest_outcomes(tmp_path, count=2)] == ["r3", "r4"]
    assert len(newest_outcomes(tmp_path, count=9)) == 5
    assert newest_outcomes(tmp_path / "nothing", count=1) == []


def offsets(number: int) -> dict[Source, int]:
    return {Source("sessions", 3): number + 1, Source("outcomes", 0): number + 1, Source("sessions", 9): 17}


def open_log(folder: Path, *, days: float = 30, megabytes: int = 100) -> LearningLog:
    return LearningLog(folder, days=days, megabytes=megabytes)


def test_what_was_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = open_log(tmp_path)
    cells = [cell(number, 1000 * (number + 1)) for number in range(3)]
    kept.append(cells[:2], offsets(1))
    kept.append(cells[2:], offsets(2))
    again = open_log(tmp_path)
    assert list(again.cells()) == cells
    assert (again.offsets, again.event_time, again.next) == (offsets(2), 3000, 6)
    assert list(again.cells(since=1000)) == cells[1:]


@settings(max_examples=15)
@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=9), crashes=st.sets(st.integers(0, 8)))
def test_many_small_files_and_crashes_lose_and_double_nothing(
    sizes: list[int], crashes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_log, "MERGED", 3)
        kept = open_log(folder)
        cells: list[Cell] = []
        for turn, size in enumerate(sizes):
            made = [cell(number, 1000 * (number + 1)) for number in range(len(cells), len(cells) + size)]
            cells += made
            kept.append(made, offsets(len(cells) - 1))
            if turn in crashes:
                (folder / name_of(kept.next)).with_suffix(".draft").write_bytes(b"half of a file")
                kept = open_log(folder)
                assert kept.next == 2 * len(cells)
        assert list(open_log(folder).cells()) == cells
        assert len(list(folder.iterdir())) <= 3


def test_a_merge_that_was_killed_leaves_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_log, "MERGED", 3)
    kept = open_log(tmp_path)
    cells = [cell(number, 1000 * (number + 1)) for number in range(3)]
    kept.append(cells[:1], offsets(0))
    kept.append(cells[1:2], offsets(1))
    left = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())[1:]}
    kept.append(cells[2:], offsets(2))
    for path, content in left.items():  # killed before it removed them
        path.write_bytes(content)
    again = open_log(tmp_path)
    assert list(again.cells()) == cells
    assert (again.next, again.offsets) == (6, offsets(2))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_file_is_set_aside_and_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = open_log(tmp_path)
    kept.append([cell(0, 1000)], offsets(0))
    kept.append([cell(1, 2000)], offsets(1))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:200])
    again = open_log(tmp_path)
    assert "set aside" in caplog.text
    assert (again.offsets, again.next) == (offsets(0), 2)
    again.append([cell(1, 2000)], offsets(1))
    assert list(open_log(tmp_path).cells()) == [cell(0, 1000), cell(1, 2000)]


def test_old_and_surplus_files_go_and_the_newest_stays(tmp_path: Path) -> None:
    kept = open_log(tmp_path / "days", days=2)
    for number in range(4):
        kept.append([cell(number, (number + 1) * DAY)], offsets(number))
    assert [one.event_time for one in kept.cells()] == [3 * DAY, 4 * DAY]
    assert kept.next == 8
    small = open_log(tmp_path / "bytes", megabytes=0)
    for number in range(3):
        small.append([cell(number, 1000 * (number + 1))], offsets(number))
    assert [one.event_time for one in small.cells()] == [3000]
    assert open_log(tmp_path / "bytes").offsets == offsets(2)
