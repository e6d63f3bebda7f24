"""When a fine-tuning starts, and what becomes of its process."""

from __future__ import annotations

import signal
from pathlib import Path

from learning.fine_tuning import AFTER_DRIFT, FineTuningPart
from learning.tuning_process import TuningEnd
from mos_online.learning.part import Alarm, LearningBatch
from tests.learning.records import session


class Child:
    """A process that runs until it is told to have ended."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.signals: list[signal.Signals] = []

    def status(self) -> int | None:
        return self.code

    def end(self, number: signal.Signals, *, timeout: float) -> None:
        self.signals.append(number)


class World:
    """A part with a clock and processes of its own."""

    def __init__(self, folder: Path, *, every: float | None, on_drift: bool = False) -> None:
        self.folder, self.now = folder, 0.0
        self.children: list[Child] = []
        self.reasons: list[str] = []
        self.refits: list[bool] = []
        self.part = FineTuningPart(folder, every=every, on_drift=on_drift, start=self.start, clock=lambda: self.now)

    def start(self, folder: Path, why: str, refit: bool) -> Child:
        assert folder == self.folder
        self.reasons.append(why)
        self.refits.append(refit)
        self.children.append(Child())
        return self.children[-1]

    def at(self, now: float) -> int:
        """Step at this time; how many processes have been started."""
        self.now = now
        self.part.step(0)
        return len(self.children)

    def end(self, end: TuningEnd | None, code: int = 0) -> None:
        if end is not None:
            end.write(self.folder)
        self.children[-1].code = code


DONE = TuningEnd(state="done", words="m-2 was promoted")
DRIFT = Alarm(trigger="fine-tune", event_time=0, why="clicks doubled")


def test_it_starts_every_so_often_and_never_two_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, every=100)
    world.part.take(LearningBatch(sessions=[session("u", 1, closed_at=5)], event_time=10))
    assert [world.at(99), world.at(100), world.at(500)] == [0, 1, 1]
    world.end(DONE)
    assert [world.at(510), world.at(609), world.at(610)] == [1, 1, 2]
    assert world.part.status()["last"] == "done: m-2 was promoted"


def test_a_process_that_was_killed_is_told_and_the_next_one_comes(tmp_path: Path) -> None:
    world = World(tmp_path, every=100)
    DONE.write(tmp_path)  # what an earlier one has left is not taken for its own
    world.at(100)
    world.end(None, code=-9)
    world.at(101)
    assert "failed: its process ended with status -9" in str(world.part.status()["last"])
    assert world.at(201) == 2


def test_drift_starts_one_if_it_may_and_not_again_and_again(tmp_path: Path) -> None:
    deaf, world = World(tmp_path, every=None), World(tmp_path, every=None, on_drift=True)
    for part in (deaf.part, world.part):
        part.hear(DRIFT)
    assert (deaf.at(1), world.at(1)) == (0, 1)
    assert world.reasons == ["drift: clicks doubled"]
    world.end(DONE)
    world.at(2)
    world.part.hear(DRIFT)
    assert world.at(3) == 1
    world.now = AFTER_DRIFT + 1
    world.part.hear(DRIFT)
    assert world.at(AFTER_DRIFT + 2) == 2


def test_a_new_epoch_is_asked_for_until_a_fine_tuning_has_tried_it(tmp_path: Path) -> None:
    asked = Alarm(trigger="router-fit", event_time=0, why="themes moved twice")
    world = World(tmp_path, every=100)
    world.at(100)
    world.part.hear(asked)
    world.end(DONE)  # this one was begun before
    assert world.at(101) == 1
    again = World(tmp_path, every=100)  # the learner was killed
    assert again.part.status()["asked to begin a new epoch"] == "themes moved twice"
    again.at(100)
    again.end(TuningEnd(state="skipped", words="too little has happened"))
    again.at(101)
    again.at(201)
    again.end(DONE)
    again.at(202)
    again.at(302)
    assert (world.refits, again.refits) == ([False], [True, True, False])
    assert "asked to begin a new epoch" not in again.part.status()


def test_a_new_epoch_is_begun_at_once_where_drift_may_start_one(tmp_path: Path) -> None:
    world = World(tmp_path, every=None, on_drift=True)
    world.part.hear(Alarm(trigger="router-fit", event_time=0, why="themes moved twice"))
    assert (world.at(1), world.refits, world.reasons) == (1, [True], ["drift: themes moved twice"])


def test_an_alarm_that_stops_learning_starts_none_until_somebody_has_looked(tmp_path: Path) -> None:
    world = World(tmp_path, every=10, on_drift=True)
    world.part.hear(Alarm(trigger="stop", event_time=0, why="a tenth of the clicks are orphans"))
    world.part.hear(DRIFT)
    assert world.at(1000) == 0
    assert "a tenth of the clicks are orphans" in str(world.part.status()["state"])


def test_once_is_one_and_a_stop_ends_it(tmp_path: Path) -> None:
    world = World(tmp_path, every=None)
    assert not world.part.once()
    assert world.at(0) == 1
    assert not world.part.once()
    world.end(TuningEnd(state="skipped", words="nothing has happened"))
    world.at(1)
    assert world.part.once()
    assert world.at(1000) == 1
    world.part.ask("again")
    world.at(1001)
    world.part.close()
    assert world.children[-1].signals == [signal.SIGTERM]
