"""What a fine-tuning costs those who are served beside it: latency with and without, in turn, in one run.

    mos train --dataset synthetic && MOS_EVENT_TYPES='*:1' mos serve --replicas 2 &
    MOS_EVENT_TYPES='*:1' python benchmarks/beside_fine_tuning.py [--minutes 4] [--clients 4] [--rate 40]

Fills the learner's log with sessions of new users of the synthetic log, and starts the process of `mos learn` that
fine-tunes, again whenever it has ended. For some seconds it is paused, then it goes on for as long, and so on. So
whatever else the machine does meets both alike. Clients ask at a steady rate. Nothing is promoted. Run it with a
MOS_HOME that holds nothing of value.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
from asking_clients import Answered, AskingClients
from fine_tuning_noise import sessions_of

from learning.fine_tuning import start_process
from mos_online.arrays import Floats
from mos_online.contracts import encode
from mos_online.fine_tuning.history import FILE
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell, Known, Source, ids_of
from mos_online.processes import GuardedChild
from mos_online.settings import Settings
from simulator.datasets.loader import synthetic_config
from simulator.population import SyntheticConfig, synthesize

DAY = 86_400_000
EDGE = 0.2
"""Seconds after each change whose requests count for neither side."""
RESAMPLES = 2000


def fill(folder: Path, users: int) -> None:
    """Leave the sessions of other users, later than those of the model, as a learner would."""
    usual = synthetic_config("synthetic") or SyntheticConfig()
    values = {name: getattr(usual, name) for name in usual.__dataclass_fields__}
    later = SyntheticConfig(**values | {"users": users, "started_at": usual.started_at + usual.days * DAY})
    sessions = sorted(sessions_of(synthesize(later).clicks), key=lambda session: session.watermark)
    source = Source("sessions", 0)
    cells = [
        Cell(one.watermark, [Known(one.watermark, 0, ids_of(one), source, number, 0, encode(one), one)])
        for number, one in enumerate(sessions)
    ]
    LearningLog(folder, days=365, megabytes=1024).append(cells, {source: len(cells)})


class FineTunings:
    """One fine-tuning after the other, paused and let go on.

    Attributes:
        ended: how many have ended by themselves.
        worked: seconds of processor time that they had.
    """

    def __init__(self, folder: Path) -> None:
        self.ended, self.worked = 0, 0.0
        self._folder = folder
        self._child = self._started()

    def run(self, seconds: float) -> None:
        """Let it go on for so long; then it is paused."""
        before = self._seconds()
        self._signal(signal.SIGCONT)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._child.status() is not None:
                self._child.end(signal.SIGKILL, timeout=0)
                self.ended += 1
                self._child, before = self._started(), 0.0
            time.sleep(0.02)
        self._signal(signal.SIGSTOP)
        self.worked += max(self._seconds() - before, 0.0)

    def end(self) -> None:
        """Kill it."""
        self._child.end(signal.SIGKILL, timeout=0)

    def _started(self) -> GuardedChild:
        (self._folder / FILE).unlink(missing_ok=True)  # else what it makes has been judged before
        child = start_process(self._folder, "benchmark", refit=False, hold=True)
        assert isinstance(child, GuardedChild)
        return child

    def _seconds(self) -> float:
        times = psutil.Process(self._child.pid).cpu_times()
        return float(times.user + times.system)

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self._child.pid, number)


def slices(answers: list[Answered], borders: list[float]) -> list[Floats]:
    """The latencies between each two borders."""
    ordered = sorted(answers)
    asked, seconds = np.array([one.asked for one in ordered]), np.array([one.seconds for one in ordered])
    places = [np.searchsorted(asked, [begin + EDGE, end]) for begin, end in pairwise(borders)]
    return [seconds[low:high] for low, high in places]


def ratio(alone: list[Floats], beside: list[Floats]) -> tuple[float, float]:
    """95 % interval of the ratio of the 99th percentiles, from pairs of slices drawn again."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(alone), len(alone))
        both = [np.quantile(np.concatenate([side[one] for one in drawn]), 0.99) for side in (beside, alone)]
        found.append(both[0] / both[1])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second of all clients, at most")
    parser.add_argument("--users", type=int, default=1500, help="whose sessions are learned")
    parser.add_argument("--slice", type=float, default=3.0, help="seconds from one change to the next")
    options = parser.parse_args()
    settings = Settings()
    folder = settings.learning_dir
    if not any((folder / "log").glob("*.parquet")):
        fill(folder / "log", options.users)
    clients = AskingClients(settings, options.clients, key="model_version", pause=options.clients / options.rate)
    tunings, borders = FineTunings(folder), [time.monotonic()]
    try:
        for _ in range(round(30 * options.minutes / options.slice)):
            tunings.run(options.slice)
            borders.append(time.monotonic())
            time.sleep(options.slice)
            borders.append(time.monotonic())
    finally:
        tunings.end()
        clients.stop()
    found = slices(clients.answers, borders)
    print("| | answers | p50, ms | p99, ms |\n|---|---|---|---|")
    for name, side in (("alone", found[1::2]), ("beside a fine-tuning", found[::2])):
        p50, p99 = 1000 * np.quantile(np.concatenate(side), [0.5, 0.99])
        print(f"| {name} | {sum(map(len, side)):,} | {p50:.1f} | {p99:.1f} |")
    whole = [np.quantile(np.concatenate(side), 0.99) for side in (found[::2], found[1::2])]
    low, high = ratio(found[1::2], found[::2])
    others = sum(one.status != 200 for one in clients.answers)
    spent = sum(end - begin for begin, end in zip(borders[::2], borders[1::2], strict=False))
    load = os.getloadavg()[1] / (os.cpu_count() or 1)
    print(f"\np99 beside / alone: {whole[0] / whole[1]:.2f} [{low:.2f}, {high:.2f}]; not answered with 200: {others}")
    print(
        f"it had {tunings.worked / spent:.0%} of a processor, and {tunings.ended} ended; load of a processor {load:.1f}"
    )


if __name__ == "__main__":
    main()
