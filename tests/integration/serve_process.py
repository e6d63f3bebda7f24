"""A running ``mos serve`` with a small model, for the tests of several files."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import polars as pl
import psutil

from mos_online.processes import StalledError, living, wait_until, work_of
from mos_online.recommend.probe import check_model
from mos_online.registry import Registry
from mos_online.sessions import SessionConfig
from mos_online.training import TrainConfig, train
from serving.ray.reaper import processes

MINUTE = 60_000
NOW = 1_700_000_000_000


def click_log() -> tuple[pl.DataFrame, pl.DataFrame]:
    """400 sessions of three clicks, each inside one of four categories of ten items."""
    rng = random.Random(0)
    rows = []
    for session in range(400):
        category = rng.randrange(4)
        for click in range(3):
            rows.append(
                {
                    "user_id": f"u{session % 50}",
                    "item_id": f"{'abcd'[category]}{rng.randrange(10)}",
                    "event_id": f"{session}-{click}",
                    "timestamp": NOW + session * 100 * MINUTE + click * MINUTE,
                    "event_type": "click",
                }
            )
    items = [{"item_id": f"{c}{n}", "title": f"{c} {n}", "category": c} for c in "abcd" for n in range(10)]
    return pl.DataFrame(rows), pl.DataFrame(items)


def put_model(home: Path, *, seed: int) -> str:
    events, items = click_log()
    config = TrainConfig(themes=4, width=8, minutes=0.05, epochs=1, examples=200, threads=1, seed=seed)
    registry = Registry(home / "models")
    report = train(
        events,
        items,
        registry,
        sessions=SessionConfig(),
        config=config,
        name="tiny",
        on_progress=lambda *_: None,
    )
    return registry.promote(report.version, check_model)


class Serve:
    """A running ``mos serve``."""

    def __init__(self, *, folder: Path, port: int, says: str = "ready after", **settings: str) -> None:
        """Start it in ``folder`` and wait until it ``says`` so; ``settings`` are variables without MOS_."""
        self.url = f"http://127.0.0.1:{port}"
        self.home = folder / "mos"
        self._log = folder / "serve.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MOS_", "RAY_"))}
        environment |= {"MOS_HOME": "mos", "MOS_SERVE_PORT": str(port), "MOS_API_KEY": "key", "COLUMNS": "200"}
        environment |= {f"MOS_{name}": value for name, value in settings.items()}
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mos_cli", "serve"],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = httpx.Client(base_url=self.url, headers={"X-API-Key": "key"}, timeout=300)
        self.wait_until(says)
        (self.run,) = (Path(p.cmdline()[4]) for p in self.children("serving.ray.reaper"))
        self.everything = processes(self.run)

    def children(self, name: str) -> list[psutil.Process]:
        return living(
            psutil.Process(self.process.pid).children(recursive=True), lambda process: name in process.cmdline()
        )

    def log(self) -> str:
        return self._log.read_text()

    def wait_until(self, words: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.log()
            return words in self.log()

        self.until(said)

    def until(self, done: Callable[[], object]) -> None:
        """Wait until ``done``, for as long as Ray works or the log grows."""
        try:
            wait_until(lambda: bool(done()), progress=lambda: work_of(self.process.pid, self._log))
        except StalledError as error:
            raise AssertionError(f"{error}: {self.log()}") from None

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.client.close()
        self.until(lambda: self.process.poll() is not None)
        assert self.process.returncode is not None
        return self.process.returncode

    def left(self) -> list[str]:
        return [str(process) for process in living([*self.everything, *processes(self.run)])]

    def running(self, name: str) -> list[psutil.Process]:
        """The processes of the service with this name."""
        return living(processes(self.run), lambda process: process.name() == name)
