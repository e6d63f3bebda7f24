"""`mos topics`, against an embedded broker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.stream_system import stream_system

pytestmark = pytest.mark.slow


def test_topics_of_the_embedded_broker(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with stream_system(tmp_path / "mos", free_port(), MOS_NAMESPACE="team.") as system:

        def mos(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "mos_cli", *arguments]
            return subprocess.run(command, check=False, env=system.environment, capture_output=True, text=True)

        listed = mos("topics", "list").stdout
        assert "team.clicks" in listed
        assert "team.sessionizer-checkpoints" in listed
        assert "does not exist" not in listed
        assert "nothing to do" in mos("topics", "create").stdout
        system.send("clicks", [("u", b'{"n":1}'), ("v", b'{"n":2}')])
        tail = mos("topics", "tail", "clicks", "--user", "v", "--from-beginning", "--limit", "1", "--json")
        assert tail.stdout == '{"n":2}\n'
        unknown = mos("topics", "tail", "nothing")
        assert unknown.returncode == 2
        assert "clicks" in unknown.stderr
