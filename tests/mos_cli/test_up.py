"""``mos up`` with services that are not started: when it calls itself ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mos_cli import supervisor
from mos_cli.supervisor import Supervisor
from mos_online.settings import Settings
from tests.mos_cli.mos_runs import Mos
from tests.published_model import publish_model


@pytest.fixture
def asked(
    mos_home: Settings, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[str]:
    """The addresses at which service and worker were asked; a model is made while `mos up` waits."""
    monkeypatch.setenv("MOS_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("MOS_SERVE_PORT", str(free_port()))
    monkeypatch.setenv("MOS_WORKER_PORT", str(free_port()))
    found: list[str] = []
    slept: list[float] = []

    def answers(url: str) -> bool:
        found.append(url.rpartition("/")[2])
        return found[-1] == "healthz" or (mos_home.home / "models").exists()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3 and not (mos_home.home / "models").exists():
            publish_model(tmp_path / "model", mos_home)
        if len(slept) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "answers", answers)
    monkeypatch.setattr(Supervisor, "start", lambda _, service: service.ready() or pytest.fail("it is not ready"))
    monkeypatch.setattr(Supervisor, "tend", lambda *_: None)
    monkeypatch.setattr(time, "sleep", sleep)
    return found


def test_without_a_model_it_waits_says_how_to_make_one_and_then_is_ready(asked: list[str], mos: Mos) -> None:
    answer = mos("up")
    assert answer.status == 130
    waiting, ready = answer.out.index("waiting for a model: no model in"), answer.out.index("ready: POST http://")
    assert waiting < ready
    assert "make one with `mos train`" in answer.out
    assert asked[:2] == ["healthz", "healthz"]


def test_with_a_model_all_must_be_ready(asked: list[str], mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    publish_model(tmp_path / "model", mos_home)
    answer = mos("up")
    assert "waiting" not in answer.out
    assert "ready: POST http://" in answer.out
    assert set(asked) == {"readyz"}
