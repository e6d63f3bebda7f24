"""``mos evaluate`` as a user runs it: a small comparison, its report, and what a second call does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.results.measures import Results
from evaluation.results.store import Store

pytestmark = pytest.mark.slow

SMALL = ["--plan", "quick", "--dataset", "synthetic:hop=0.8,users=200", "--jobs", "1", "--seeds", "2"]
PAIR = ["--backbone", "gru4rec", "--model", "backbone+table", "--model", "mos"]


def mos(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mos_cli", "evaluate", *arguments],
        env=os.environ | {"MOS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_comparison_is_reported_and_taken_up_again(tmp_path: Path) -> None:
    done = mos(*SMALL, *PAIR, home=tmp_path)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "evaluate" / "quick"
    report = (root / "report.md").read_text()
    assert "4. It is the routing" not in report  # no rival was run
    assert "5. It does no harm" in report
    assert "MoS minus baseline by slice" in report
    assert (root / "figures" / "gains.svg").read_text().startswith("<?xml")
    results = Results(Store(root))
    rows = [results.group("synthetic:hop=0.8,users=200", "gru4rec", name).row() for name in ("backbone+table", "mos")]
    assert all(row.seeds == 2 and row.auc > 0.6 and row.hit_rate > 0.2 for row in rows)
    before = {file: file.stat().st_mtime_ns for file in root.rglob("record.json")}
    assert len(before) == 4
    (root / "synthetic:hop=0.8,users=200" / "gru4rec" / "mos" / "1" / "record.json").unlink()
    again = mos(*SMALL, *PAIR, home=tmp_path)
    assert again.returncode == 0, again.stderr
    after = {file: file.stat().st_mtime_ns for file in root.rglob("record.json")}
    assert after.keys() == before.keys()
    assert sum(before[file] != after[file] for file in before) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "huge"], "full, quick"),
        (["--plan", "quick", "--dataset", "nowhere"], "dataset 'nowhere'"),
        (["--plan", "quick", "--dataset", "synthetic", "--backbone", "din"], "give all three"),
        ([*SMALL, "--backbone", "lstm", "--model", "mos"], "unknown backbone 'lstm'"),
        ([*SMALL, "--backbone", "gru4rec", "--model", "oracle"], "unknown model 'oracle'"),
        (["--dataset", "synthetic:hops=1", *PAIR], "no setting of the synthetic population"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = mos(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
