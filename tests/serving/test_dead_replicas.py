"""Replicas of one machine share a folder of metrics; what a dead one has said of its counts is forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.metrics import MULTIPROCESS_DIR, Metrics


def test_the_counts_of_a_replica_that_does_not_run_any_more_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setenv(MULTIPROCESS_DIR, str(tmp_path))
    left = [tmp_path / f"gauge_livemin_{pid}.db" for pid in (gone.pid, os.getpid())]
    other = tmp_path / f"counter_{gone.pid}.db"
    for path in (*left, other):
        path.touch()
    Metrics()
    assert [path.exists() for path in (*left, other)] == [False, True, True]
