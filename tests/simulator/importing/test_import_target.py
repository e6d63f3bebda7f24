"""A dataset is there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mos_online.errors import DatasetError
from simulator.datasets.folder import EVENTS
from simulator.datasets.raw import ReadOptions
from simulator.importing.columns import Asked
from simulator.importing.plan import plan_import
from simulator.importing.run import Source, import_log
from simulator.importing.sort import TimeSort
from simulator.importing.target import require_free, target_folder, written


def log(folder: Path, name: str, users: int) -> Path:
    path = folder / name
    rows = [f"u{user},i{user % 7},{1_600_000_000 + user}" for user in range(users)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    return path


def bring(path: Path, to: Path, *, force: bool = False) -> None:
    plan = plan_import([path], Asked(), ReadOptions())
    import_log(Source(plan=plan), to, force=force, run_bytes=2_000)


def events(folder: Path) -> int | None:
    """How many events a dataset has, every file of which must be whole; None if there is none."""
    return len(pl.read_parquet(folder / EVENTS)) if folder.exists() else None


class KilledError(BaseException):
    """What a kill is to the program: nothing is cleaned up."""


class Killer:
    """Kills before the n-th step, one of those by which a file or a folder changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self.killed = False
        self._left = step
        for owner, name in (
            *((Path, name) for name in ("rename", "mkdir", "write_text")),
            (pl.DataFrame, "write_parquet"), (pl.LazyFrame, "sink_parquet"), (TimeSort, "add"), (os, "fsync"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))
        removed = shutil.rmtree
        monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None if self.killed else removed(*a, **k))

    def _counted(self, does: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                self.killed = True
                raise KilledError
            return does(*args, **kwargs)

        return counted


@pytest.mark.slow
@pytest.mark.parametrize("replaces", [False, True])
def test_a_kill_at_any_step_leaves_the_old_dataset_or_the_new_one_or_none(tmp_path: Path, *, replaces: bool) -> None:
    old, new = log(tmp_path, "old.csv", 40), log(tmp_path, "new.csv", 90)
    step, killed = 0, True
    while killed:
        data = tmp_path / f"data-{step}"
        to = data / "shop"
        if replaces:
            bring(old, to)
        with pytest.MonkeyPatch.context() as patched:
            killer = Killer(patched, step)
            with suppress(KilledError):
                bring(new, to, force=replaces)
            killed = killer.killed
        assert events(to) in ({40, 90, None} if replaces else {90, None})
        assert {path.parent.name for path in data.glob(f"*/{EVENTS}")} <= {"shop"}, "a part is taken for a dataset"
        bring(new, to, force=True)
        assert events(to) == 90
        assert [path.name for path in data.iterdir()] == ["shop"]
        step += 1
    assert step > 10


def test_a_dataset_that_was_about_to_be_replaced_comes_back(tmp_path: Path) -> None:
    old, to = log(tmp_path, "old.csv", 40), tmp_path / "data" / "shop"
    bring(old, to)
    beside = to.parent / ".shop.importing"
    beside.mkdir()
    to.rename(beside / "old")
    with pytest.raises(DatasetError, match="holds a dataset already"):
        bring(old, to)
    assert events(to) == 40


def test_what_cannot_be_imported_leaves_what_was_there(tmp_path: Path) -> None:
    to = tmp_path / "data" / "shop"
    bring(log(tmp_path, "old.csv", 40), to)
    bad = tmp_path / "bad.csv"
    bad.write_text("user_id,item_id,timestamp\n" + "u,i,1600000000\n" * 3 + ",i,1600000000\n" * 9)
    with pytest.raises(DatasetError, match=r"9 of 12 rows cannot be used, .*missing_user.*bad.csv, line 5"):
        bring(bad, to, force=True)
    assert events(to) == 40
    assert [path.name for path in to.parent.iterdir()] == ["shop"]


def test_only_a_dataset_is_replaced_and_only_by_force(tmp_path: Path) -> None:
    path, to = log(tmp_path, "log.csv", 5), tmp_path / "data" / "shop"
    bring(path, to)
    with pytest.raises(DatasetError, match=r"--force replaces it"):
        bring(path, to)
    bring(path, to, force=True)
    (to / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds other things, such as 'notes.txt'"):
        bring(path, to, force=True)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is not a folder"):
        require_free(tmp_path / "file", force=True)
    (tmp_path / "empty").mkdir()
    bring(path, tmp_path / "empty")
    assert events(tmp_path / "empty") == 5


def test_two_imports_of_one_name_do_not_meet(tmp_path: Path) -> None:
    to = tmp_path / "shop"
    with written(to, force=False) as first:
        (first / EVENTS).touch()
        with pytest.raises(DatasetError, match=r"another import to .*shop is running"), written(to, force=False):
            pass
        assert (first / EVENTS).exists()
    assert (to / EVENTS).exists()


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert target_folder("shop", tmp_path / "data") == tmp_path / "data" / "shop"
    assert target_folder("./shop", tmp_path / "data") == tmp_path / "shop"
    for name in ("", "..", ".hidden", "synthetic:x"):
        with pytest.raises(DatasetError, match="is no name for a dataset"):
            target_folder(name, tmp_path)
