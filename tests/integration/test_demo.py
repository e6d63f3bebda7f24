"""One whole run: a log in, every service for real, and the report that a user would read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mos_online.processes import living

EVENTS = 800
POPULATION = "synthetic:users=300,days=3"
"""As dense in time as the whole population of the demo, which has 2,000 users in 20 days."""


@pytest.mark.slow
def test_the_demo_loses_nothing_and_leaves_nothing_behind(tmp_path: Path, free_port: Callable[[], int]) -> None:
    before = {process.pid for process in psutil.process_iter()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOS_")}
    environment |= {"MOS_HOME": str(tmp_path), "MOS_SERVE_PORT": str(free_port()), "MOS_WORKER_PORT": str(free_port())}
    environment |= {"MOS_LEARN_PORT": str(free_port())}
    command = ["demo", "--dataset", POPULATION, "--events", str(EVENTS), "--speed", "300/s", "--minutes", "0.1"]
    run = subprocess.run(
        [sys.executable, "-m", "mos_cli", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(path.read_text()[-2000:] for path in (tmp_path / "demo" / "logs").glob("*.log"))
    assert run.returncode == 0, run.stdout + run.stderr + logs
    report = json.loads((tmp_path / "demo" / "report" / "report.json").read_text())
    assert report["passed"]
    assert report["faults"] == []
    assert report["events"]["sent"] == EVENTS
    sessions = report["sessions"]
    assert sessions["closed"] == sessions["oracle"] > 0
    assert sessions["missing"] == sessions["different"] == sessions["unexpected"] == 0
    assert report["profiles"]["readable"] == report["profiles"]["expected"] > 0
    assert report["recommendations"]["published"] == sessions["closed"]
    assert report["latency_ms"]["http"]["n"] == report["requests"]["answered"] > 0
    assert report["latency_ms"]["click_to_recommendation"]["n"] == sessions["closed"]
    for judged in report["quality"].values():
        baselines = {"popularity", "knn"}
        assert set(judged["recommenders"]) == {"mos"} | baselines | {f"{who}_all_knowing" for who in baselines}
        assert judged["requests"] > 0
    freshness = report["freshness"]
    assert freshness["waited_in_vain"] == 0
    for kind, bound in freshness["bound_seconds"].items():
        age = freshness[f"{kind}_age_seconds"]
        assert age["n"] > 0
        assert age["max"] <= bound
    experiment = report["experiment"]
    assert set(experiment["users"]) == {"frozen", "online"}
    for arm in experiment["users"].values():
        assert arm["exposed"] >= arm["finished"] > 0
    assert experiment["sample_ratio"]["as_planned"]
    assert experiment["says"]
    assert "online-routing" in (tmp_path / "demo" / "report" / experiment["page"]).read_text()
    page = (tmp_path / "demo" / "report" / "report.html").read_text()
    assert "<svg" in page
    assert "passed" in page
    assert not living(
        psutil.process_iter(), lambda p: p.pid not in before and str(tmp_path) in p.environ().get("MOS_HOME", "")
    )
