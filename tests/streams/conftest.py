"""Each processor in a world of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mos_online.settings import Settings
from streams.runtime.worker import PROCESSORS
from tests.streams.partition_runs import Topics
from tests.streams.processor_cases import CASES, Case


@pytest.fixture(params=sorted(PROCESSORS))
def case(request: pytest.FixtureRequest, mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return CASES[request.param](mos_home, tmp_path / "model", monkeypatch)


@pytest.fixture
def rules(mos_home: Settings) -> Settings:
    return mos_home.model_copy(
        update={"feedback_window": 60.0, "feedback_lateness": 5.0, "session_idle_timeout": 5.0, "kafka": "k:1"}
    )


@pytest.fixture
def topics() -> Topics:
    return Topics()


@pytest.fixture
def short_sessions() -> Settings:
    return Settings(session_gap=60, session_lateness=0)
