"""A disk that takes no more while a model is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_model_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The limit of a process for the size of files stands for a disk that is full. -B: no cut .pyc files are left."""
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "sys.argv = ['mos', 'train', '--dataset', 'synthetic:users=60', '--minutes', '0.05']; "
        "from mos_cli.main import main; main()"
    )
    run = subprocess.run(
        [sys.executable, "-B", "-c", limited],
        env={"MOS_HOME": str(tmp_path / "mos"), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    assert "cannot be written" in run.stderr
