"""The part of the learner that fine-tunes the champion, in a process of its own."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from learning.tuning_process import HOLD, REFIT, TuningEnd
from learning.wish import Wish
from mos_online.fine_tuning.history import History
from mos_online.learning.part import Alarm, LearningBatch
from mos_online.processes import GuardedChild, deferred_signals

SHOWN = 5
"""So many fine-tunings are in the status, the newest last."""

REFIT_FILE = "new-epoch-asked-for"
"""Of the learner's folder: why the next fine-tuning is to begin a new epoch."""

AFTER_DRIFT = 600.0
"""Seconds from one fine-tuning that drift has asked for to the next."""

STOP_TIMEOUT = 5.0

log = logging.getLogger(__name__)


class Running(Protocol):
    """The part of ``GuardedChild`` that is used."""

    def status(self) -> int | None:
        """Its exit status; None while it runs."""

    def end(self, number: signal.Signals, *, timeout: float) -> None:
        """Send a signal, and kill it if it does not end."""


class FineTuningPart:
    """Starts a fine-tuning every so often, on drift, or when it is asked to; one at a time.

    A fine-tuning that dies, or is killed, leaves the champion in service, and the next one begins anew.
    """

    name = "fine-tuning"
    horizon = 0

    def __init__(
        self,
        folder: Path,
        *,
        every: float | None,
        on_drift: bool,
        start: Callable[[Path, str, bool], Running] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing; the first one is due after ``every``.

        Args:
            folder: of the learner.
            every: seconds from the end of one to the start of the next; None: not by the clock.
            on_drift: whether an alarm that asks for it starts one.
            start: starts the process; it is given the folder, what it is for, and whether a new epoch is asked for.
            clock: in seconds.
        """
        self._folder = folder
        self._every = every
        self._on_drift = on_drift
        self._start = start or start_process
        self._clock = clock
        self._child: Running | None = None
        self._due = clock() + every if every is not None else None
        self._asked: str | None = None
        self._refit = Wish(folder / REFIT_FILE)
        self._answering: str | None = None
        self._answered_at = float("-inf")
        self._stopped: str | None = None
        self._last: TuningEnd | None = None
        self._new_sessions = 0

    @property
    def busy(self) -> bool:
        """Whether one runs, or is about to."""
        return self._child is not None or self._asked is not None

    @property
    def last(self) -> TuningEnd | None:
        """How the last one ended."""
        return self._last

    def ask(self, why: str) -> None:
        """Have one started in the next step."""
        self._asked = why

    def once(self) -> bool:
        """Ask for one fine-tuning at the first call; True when it has ended."""
        if self._last is None and not self.busy:
            self.ask("asked for by `mos learn --once`")
        return self._last is not None

    def take(self, batch: LearningBatch) -> None:
        """Count the sessions; the fine-tuning itself reads them from the log."""
        self._new_sessions += len(batch.sessions)

    def step(self, event_time: int) -> Sequence[Alarm]:
        """Look after the process, or start one that is due."""
        now = self._clock()
        if self._child is not None:
            self._look(self._child, now)
        elif self._stopped is None and (why := self._why(now)) is not None:
            (self._folder / TuningEnd.FILE).unlink(missing_ok=True)
            self._asked, self._new_sessions = None, 0
            self._answering = self._refit.why
            with deferred_signals():
                self._child = self._start(self._folder, why, self._answering is not None)
            log.info("a fine-tuning begins: %s", why)
        return ()

    def hear(self, alarm: Alarm) -> None:
        """Drift may ask for a fine-tuning, and the next one for a new epoch; another alarm may forbid them."""
        if alarm.trigger == "stop":
            self._stopped = alarm.why
            self._asked = None
            return
        if alarm.trigger == "router-fit":
            self._refit.make(alarm.why)
        if alarm.trigger not in {"fine-tune", "router-fit"} or not self._on_drift:
            return
        if self._clock() - self._answered_at >= AFTER_DRIFT:
            self._answered_at = self._clock()
            self.ask(f"drift: {alarm.why}")

    def status(self) -> Mapping[str, object]:
        """What ran, and what became of it."""
        facts: dict[str, Any] = {"state": "learns" if self._child is not None else "waits"}
        if self._stopped is not None:
            facts["state"] = f"stopped until the learner is started anew: {self._stopped}"
        if self._due is not None and self._child is None:
            facts["next in seconds"] = max(0, round(self._due - self._clock()))
        if self._refit.why is not None:
            facts["asked to begin a new epoch"] = self._refit.why
        facts["sessions since the last one"] = self._new_sessions
        if self._last is not None:
            facts["last"] = f"{self._last.state}: {self._last.words}"
        facts["history"] = msgspec.to_builtins(History(self._folder).read()[-SHOWN:])
        return facts

    def close(self) -> None:
        """End the process, if one runs; the champion stays in service."""
        if self._child is not None:
            self._child.end(signal.SIGTERM, timeout=STOP_TIMEOUT)
            self._child = None

    def _why(self, now: float) -> str | None:
        if self._asked is not None:
            return self._asked
        if self._due is not None and now >= self._due:
            return "the interval is over"
        return None

    def _look(self, child: Running, now: float) -> None:
        status = child.status()
        if status is None:
            return
        words = f"its process ended with status {status}; see {self._folder / LOG}"
        killed = TuningEnd(state="failed", words=words)
        self._last = TuningEnd.read(self._folder) or killed
        if self._last.state == "done" and self._answering is not None:
            self._refit.grant(self._answering)
        level = logging.WARNING if self._last.state == "failed" else logging.INFO
        log.log(level, "the fine-tuning has ended, %s: %s", self._last.state, self._last.words)
        child.end(signal.SIGKILL, timeout=0)
        self._child = None
        if self._every is not None:
            self._due = now + self._every


LOG = "fine-tuning.log"


def start_process(folder: Path, why: str, refit: bool, *, hold: bool = False) -> Running:
    """Start the process of a fine-tuning; it ends when this one does."""
    wishes = [wish for wish, asked in ((REFIT, refit), (HOLD, hold)) if asked]
    command = [sys.executable, "-P", "-m", "learning.tuning_process", why, *wishes]
    return GuardedChild(command, log=folder / LOG, patience=int(STOP_TIMEOUT))
