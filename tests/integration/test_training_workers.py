"""``mos train --workers`` on a real Ray: two workers learn what one process learns, and none may die unnoticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mos_online.processes import living, wait_until, work_of
from mos_online.registry import Registry

pytestmark = pytest.mark.slow

HOW = ("--themes", "6", "--minutes", "30", "--no-promote", "--device", "cpu")
"""The passes end it, and not the time."""


def started(home: Path, *more: str, users: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mos_cli", "train", "--dataset", f"synthetic:users={users}", *HOW, *more]
    environment = os.environ | {"MOS_HOME": str(home), "COLUMNS": "400"}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ndcg_of(home: Path) -> float:
    registry = Registry(home / "models")
    (version,) = registry.versions()
    return registry.manifest(version).metrics["ndcg_at_10"]


@pytest.mark.timeout(900)
def test_two_workers_give_the_quality_of_one_process(tmp_path: Path) -> None:
    for name, more in (("one", ()), ("two", ("--workers", "2"))):
        process = started(tmp_path / name, *more, users=100)
        said, _ = process.communicate()
        assert process.returncode == 0, said

    one, two = ndcg_of(tmp_path / "one"), ndcg_of(tmp_path / "two")
    assert one > 0.2
    assert two == pytest.approx(one, abs=0.05)
    assert not (tmp_path / "two" / "train-workers.json").exists(), "nothing is left of Ray"


@pytest.mark.timeout(900)
def test_a_worker_that_dies_fails_the_training_and_nothing_is_published(tmp_path: Path) -> None:
    process = started(tmp_path, "--workers", "2", users=40)
    run_file = tmp_path / "train-workers.json"

    def members() -> list[psutil.Process]:
        """The workers, once they have met."""
        if not run_file.exists() or not (Path(json.loads(run_file.read_text())["folder"]) / "meeting").exists():
            return []
        children = psutil.Process(process.pid).children(recursive=True)
        return living(children, lambda child: child.name().startswith("ray::RayTrainWo"))

    wait_until(lambda: len(members()) == 2, progress=lambda: work_of(process.pid))
    members()[1].kill()
    said, _ = process.communicate()

    assert process.returncode == 2, said
    assert "of the training has died" in said
    assert "nothing was published" in said
    assert Registry(tmp_path / "models").versions() == []
