"""Runs the learner in the foreground: one at a time, waiting for the registry and for Kafka, until it is stopped."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import TypeVar

from learning.learner import Learner
from monitoring.server import health_server
from mos_online.errors import BrokerUnavailableError, RegistryError, RegistryHeldError
from mos_online.health import Health
from mos_online.learning.part import LearningPart
from mos_online.processes import locked
from mos_online.registry import open_registry
from mos_online.settings import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 30.0
"""Seconds to wait for another learner to end: one that was killed counts for 20 s."""

LONGEST_PAUSE = 5.0

SETTLED = 1.0
"""Seconds after which each part has published what it knows."""

STUCK = 120.0
"""Seconds without a turn after which the learner counts as failing."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class LearnerRun:
    """One run of the learner.

    Attributes:
        stopped_by: the signal that has arrived.
    """

    def __init__(self, settings: Settings, make_parts: Callable[[Settings, ExitStack], Sequence[LearningPart]]) -> None:
        """Begin with nothing.

        Args:
            settings: of everything.
            make_parts: makes the parts, and is given what is closed at the end. While it raises RegistryError it is
                called again.
        """
        self.stopped_by: signal.Signals | None = None
        self._settings = settings
        self._make_parts = make_parts
        self._learner: Learner | None = None
        self._trouble: str | None = "it starts"
        self._turned_at = time.monotonic()

    def run(self, *, finished: Callable[[], bool] | None = None) -> signal.Signals | None:
        """Learn until a signal arrives, and return it.

        Args:
            finished: is asked after each turn when all that there is has been read; True ends the run.

        Raises:
            MosError: another learner is at work; or no waiting mends what is wrong.
        """
        folder = self._settings.learning_dir
        with ExitStack() as stack:
            stack.enter_context(locked(folder / "learn.lock", what="`mos learn`", instead="choose another MOS_HOME"))
            stack.enter_context(self._signals())
            stack.enter_context(self._health())
            learner = self._started(stack)
            if learner is not None:
                stack.callback(learner.close)
                self._learn(learner, finished)
        return self.stopped_by

    def _learn(self, learner: Learner, finished: Callable[[], bool] | None) -> None:
        while self.stopped_by is None:
            learner.turn()
            self._turned_at = time.monotonic()
            self._trouble = learner.intake.reader.trouble
            if finished is not None and learner.caught_up and finished():
                self._settle(learner)
                return

    @staticmethod
    def _settle(learner: Learner) -> None:
        """Give the parts time to publish what they have learned last."""
        until = time.monotonic() + SETTLED
        while time.monotonic() < until:
            learner.turn()
        learner.turn()

    def _started(self, stack: ExitStack) -> Learner | None:
        """The learner, as soon as the registry and Kafka are there; None if a signal came before."""
        lease = self._patiently(lambda: stack.enter_context(open_registry(self._settings).learner(PATIENCE)))
        parts = self._patiently(lambda: self._made(stack)) if lease is not None else None
        if lease is None or parts is None:
            return None
        self._learner = self._patiently(lambda: Learner(self._settings, parts, check=lease.check))
        return self._learner

    def _made(self, stack: ExitStack) -> Sequence[LearningPart]:
        with ExitStack() as attempt:
            parts = self._make_parts(self._settings, attempt)
            stack.enter_context(attempt.pop_all())
        return parts

    def _patiently(self, attempt: Callable[[], T]) -> T | None:
        """Try until registry and Kafka are there; None if a signal came before."""
        pause = 0.1
        while self.stopped_by is None:
            try:
                made = attempt()
            except RegistryHeldError:
                raise
            except (RegistryError, BrokerUnavailableError) as error:
                if self._trouble != str(error):
                    log.warning("the learner waits: %s", error)
                self._trouble = str(error)
            else:
                self._trouble = None
                return made
            self._turned_at = time.monotonic()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    def alive(self) -> Health:
        """Whether the learner works, or waits for a Kafka or a registry that is away."""
        silent = time.monotonic() - self._turned_at
        if silent > STUCK:
            return Health(
                program="learn", status="failing", details=[f"the learner has done nothing for {silent:.0f} s"]
            )
        return Health(program="learn", status="alive", details=self._details())

    def ready(self) -> Health:
        """Whether the learner reads."""
        health = self.alive()
        if not health.good:
            return health
        waits = self._learner is None or self._trouble is not None
        return Health(program="learn", status="waiting" if waits else "ready", details=health.details)

    def _details(self) -> list[str]:
        waiting = [f"the learner waits: {self._trouble}"] if self._trouble else []
        failures = self._learner.failures if self._learner else {}
        return [*waiting, *(f"{part}: {failure}" for part, failure in failures.items())]

    def _health(self) -> ExitStack:
        settings, stack = self._settings, ExitStack()
        server = health_server(
            settings.learn_host,
            settings.learn_port,
            self.alive,
            self.ready,
            namespace=settings.namespace,
            settings="MOS_LEARN",
        )
        stack.enter_context(server)
        return stack

    def _signals(self) -> ExitStack:
        """From here on a signal is noted, and ends the run between two turns."""
        stack = ExitStack()
        for number in STOPPING:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as `nohup` leaves SIGHUP
                signal.signal(number, self._note)
                stack.callback(signal.signal, number, before)
        return stack

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.stopped_by = self.stopped_by or signal.Signals(number)
