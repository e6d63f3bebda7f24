"""A worker that starts before there is a model."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mos_online.processes import wait_until, work_of
from mos_online.registry import open_registry
from mos_online.settings import Settings
from streams.runtime import model_wait
from streams.runtime.broker_watch import BrokerWatch
from streams.runtime.model_wait import ModelWait
from streams.runtime.worker import _ready, _report
from tests.published_model import publish_model


def test_the_first_model_is_waited_for_and_that_is_said(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_wait, "LOOK_EVERY", 0.0)
    watch, wait = BrokerWatch(mos_home), ModelWait(mos_home)

    async def run() -> None:
        waiting = asyncio.create_task(wait.ready())
        while wait.trouble is None:
            await asyncio.sleep(0)
        assert not waiting.done()
        alive, ready = _report(watch, wait, []), _ready(watch, wait, [])
        assert (alive.status, ready.status) == ("alive", "waiting")
        assert alive.details == ready.details
        assert "waits for a model" in alive.details[0]
        assert "mos train" in alive.details[0]
        publish_model(tmp_path / "model", mos_home)
        await waiting

    asyncio.run(run())
    assert wait.trouble is None


def test_a_first_model_that_is_damaged_is_no_model(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_wait, "LOOK_EVERY", 0.0)
    publish_model(tmp_path / "model", mos_home)
    damaged = open_registry(mos_home).fetch("champion") / "router.json"
    whole = damaged.read_bytes()
    damaged.write_text("{}")
    wait = ModelWait(mos_home)

    async def run() -> None:
        waiting = asyncio.create_task(wait.ready())
        while wait.trouble is None:
            await asyncio.sleep(0)
        assert "router.json is not what was added" in wait.trouble
        damaged.write_bytes(whole)
        await waiting

    asyncio.run(run())


@pytest.mark.slow
def test_the_health_of_a_worker_is_open_before_there_is_a_model(
    mos_home: Settings, free_port: Callable[[], int]
) -> None:
    port = free_port()
    worker = subprocess.Popen(
        [sys.executable, "-m", "mos_cli", "worker", "--port", str(port)],
        env=os.environ | {"MOS_HOME": str(mos_home.home)},
    )
    found: list[httpx.Response] = []

    def answers() -> bool:
        assert worker.poll() is None
        try:
            found[:] = [httpx.get(f"http://127.0.0.1:{port}/{path}") for path in ("healthz", "readyz")]
        except httpx.TransportError:
            return False
        return "waits for a model" in found[0].text

    try:
        wait_until(answers, progress=lambda: work_of(worker.pid))
        assert [answer.status_code for answer in found] == [200, 503]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    finally:
        worker.kill()
        worker.wait()
