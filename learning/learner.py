"""The learner: keeps what it reads, gives it to its parts, and lets them act."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from learning import metrics
from learning.intake import Intake
from learning.status import LearnerStatus
from mos_online.errors import MosError
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell
from mos_online.learning.part import Alarm, LearningPart
from mos_online.settings import Settings

POLL = 0.25
"""Seconds that one look at Kafka takes at most."""

STATUS_EVERY = 1.0
"""Seconds between two writings of the status."""

log = logging.getLogger(__name__)


class Learner:
    """Reads, keeps, and has its parts learn; one thread.

    Attributes:
        intake: what is read.
        failures: of each part, why its last step failed.
    """

    def __init__(self, settings: Settings, parts: Sequence[LearningPart], *, check: Callable[[], None]) -> None:
        """Open the log, and give the parts what they need of it.

        Args:
            settings: of everything.
            parts: in the order in which they act.
            check: called before anything is kept or published; raises if we are not the learner any more.

        Raises:
            MosError: Kafka has not been set up, or the log cannot be read.
        """
        self._folder = settings.learning_dir
        self._log = LearningLog(self._folder / "log", days=settings.learn_days, megabytes=settings.learn_log_mb)
        self.intake = Intake(settings, self._log)
        self.failures: dict[str, str] = {}
        self._parts = parts
        self._check = check
        self._written_at = float("-inf")
        self._begun_at = time.time()
        self._restore()

    def _restore(self) -> None:
        """Give each part its horizon again, and know what was read."""
        horizon = {part.name: self._log.event_time - part.horizon for part in self._parts}
        for cell in self._log.cells():
            self.intake.remember(cell)
            batch = msgspec.structs.replace(cell.batch(), again=True)
            for part in self._parts:
                if cell.event_time > horizon[part.name]:
                    part.take(batch)

    @property
    def caught_up(self) -> bool:
        """Whether all that there was has been read and given out."""
        return self.intake.caught_up

    def turn(self, seconds: float = POLL) -> None:
        """Read for at most so long; keep what is complete, and have the parts act.

        Raises:
            MosError: no waiting mends what is wrong.
            OSError: the log cannot be written.
        """
        cells = self.intake.poll(seconds)
        if cells:
            self._check()
            self._log.append(cells, self.intake.offsets(cells))
            metrics.EVENT_TIME.set(self._log.event_time / 1000)
            metrics.LOG_BYTES.set(self._log.bytes)
            self._give(cells)
        self._act()
        if time.monotonic() - self._written_at > STATUS_EVERY:
            self.write_status()

    def close(self) -> None:
        """Finish: the status says that nobody learns."""
        self.write_status(running=False)
        self.intake.reader.close()

    def write_status(self, *, running: bool = True) -> None:
        """Leave what `mos learn status` shows."""
        self.status(running=running).write(self._folder)
        self._written_at = time.monotonic()

    def status(self, *, running: bool = True) -> LearnerStatus:
        """What was read and learned."""
        return LearnerStatus(
            running=running,
            begun_at=int(self._begun_at * 1000),
            written_at=int(time.time() * 1000),
            kafka=self.intake.reader.trouble,
            event_time=self._log.event_time,
            held=self.intake.order.held,
            late=self.intake.order.late,
            counts=dict(self.intake.counts),
            records=self._log.records,
            bytes=self._log.bytes,
            parts={part.name: self._of_part(part) for part in self._parts},
        )

    def _of_part(self, part: LearningPart) -> dict[str, object]:
        failure = self.failures.get(part.name)
        return {**part.status(), **({"failure": failure} if failure else {})}

    def _give(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            batch = cell.batch()
            for part in self._parts:
                part.take(batch)

    def _act(self) -> None:
        """Have every part do what is due, and hear what the others have noticed."""
        alarms = [(part, alarm) for part in self._parts for alarm in self._step(part)]
        for origin, alarm in alarms:
            log.warning("%s asks for %s: %s", origin.name, alarm.trigger, alarm.why)
            metrics.ALARMS.labels(origin.name, alarm.trigger).inc()
            for part in self._parts:
                part.hear(alarm)

    def _step(self, part: LearningPart) -> Sequence[Alarm]:
        began = time.monotonic()
        self._check()
        try:
            alarms = part.step(self._log.event_time)
        except MosError as error:
            if self.failures.get(part.name) != str(error):
                log.error("%s: %s", part.name, error)
            self.failures[part.name] = str(error)
            metrics.FAILURES.labels(part.name).inc()
            return ()
        finally:
            metrics.STEP_SECONDS.labels(part.name).inc(time.monotonic() - began)
        self.failures.pop(part.name, None)
        return alarms
