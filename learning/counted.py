"""The experiments that the learner counts, in step with those in force."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from learning.stored_trials import StoredTrial
from mos_online.contracts import EventTypes, Session
from mos_online.errors import DatasetError, StoreError
from mos_online.experiments.changes import changed_keys
from mos_online.experiments.counting import Counting
from mos_online.experiments.in_force import InForce, Running
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.trial import Trial, TrialState
from mos_online.experiments.trials import Key, Trials
from mos_online.experiments.verdict import Verdict
from mos_online.learning.kept_records import kept_cells
from mos_online.learning.kept_results import forget_old_results, read_results, write_result
from mos_online.learning.taken import Taken, TakenBefore

log = logging.getLogger(__name__)


class Counted:
    """One trial for each experiment in force, and its result on the disk.

    Attributes:
        trials: of the experiments.
        told: the word of each arm that was published last, by experiment.
    """

    def __init__(
        self,
        folder: Path,
        types: EventTypes,
        stored: Sequence[StoredTrial],
        *,
        taken: Taken,
        feedback_window: int,
        session_gap: int,
    ) -> None:
        """Go on with what is stored.

        Args:
            folder: of the learner.
            types: what the types of events mean.
            stored: by an earlier run.
            taken: how far the batches are taken; it goes on changing. The learner's log may have more.
            feedback_window, session_gap: as ``Trials``, ms.
        """
        self._folder, self._types, self._taken = folder, types, taken
        self.trials = Trials(
            Counting(types), feedback_window=feedback_window, session_gap=session_gap, kept=self._sessions
        )
        self.told: dict[Key, dict[str, str]] = {}
        self._starts: dict[Key, Running] = {}
        for one in stored:
            self._start(one.running, one.state)
            self.told[one.running.name, one.running.version] = one.told

    def begin(self, found: InForce) -> None:
        """Count what was started, by the rules that hold now."""
        self.trials.count_by(Counting(self._types, conversions=found.conversions, value=found.value))
        for one in found.running:
            key = one.name, one.version
            known = self._starts.get(key)
            if known is not None and (known.started_at != one.started_at or changed_keys(known.plan, one.plan)):
                log.warning(
                    "%s/%s is not the experiment of this name that was counted: it was started at %s, and the other "
                    "one at %s, so its users are counted from the beginning",
                    *(*key, one.started_at, known.started_at),
                )
                self._drop(key)
                known = None
            trial = self.trials.running[key] if known is not None else self._start(one)
            if trial.plan != one.plan:
                trial.change(one.plan)

    def close(self, found: InForce) -> None:
        """Count no further what has ended, and the arms that were taken back.

        Raises:
            StoreError: the last result cannot be written.
        """
        for one in found.running:
            trial = self.trials.running[one.name, one.version]
            for taken in one.rolled_back:
                if not trial.closed(taken.arm):
                    trial.close(taken.arm, Verdict(word="ended", why=f"the arm was taken back: {taken.why}"))
        gone = self.trials.running.keys() - {(one.name, one.version) for one in found.running}
        for key in sorted(gone):
            self.write(self.trials.running[key].result(_why(found, key)))
            self._drop(key)
        if gone:
            try:
                forget_old_results(self._folder)
            except OSError as error:
                log.warning("old results are left: %s; they are removed when the next experiment ends", error)

    def finish_left_results(self, found: InForce) -> None:
        """Say in results of an earlier run that nobody is counted any more, where that is so.

        Raises:
            StoreError: one cannot be written.
        """
        try:
            results = read_results(self._folder)
        except DatasetError as error:
            log.warning("%s", error)
            return
        for result in results:
            key = result.plan.name, result.plan.version
            if result.stopped is None and key not in self.trials.running:
                self.write(replace(result, stopped=_why(found, key)))

    def write(self, result: ExperimentResult) -> None:
        """Leave a result for people.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            write_result(self._folder, result)
        except OSError as error:
            raise StoreError(f"results in {self._folder} cannot be written: {error}; free some space there") from None

    def stored(self) -> list[StoredTrial]:
        """All that a restart needs."""
        return [
            StoredTrial(
                running=replace(self._starts[key], plan=trial.plan), state=trial.state(), told=self.told.get(key, {})
            )
            for key, trial in self.trials.running.items()
        ]

    def _start(self, one: Running, state: TrialState | None = None) -> Trial:
        counting = Counting(self._types, conversions=one.conversions, value=one.value)
        trial = self.trials.start(one.plan, state, counting=counting, started_at=one.started_at)
        self._starts[one.name, one.version] = one
        return trial

    def _drop(self, key: Key) -> None:
        self.trials.stop(key)
        del self._starts[key]
        self.told.pop(key, None)

    def _sessions(self) -> Iterator[Session]:
        """What the learner's log has, without the batches that are still to be taken."""
        log.info("what users did before is counted by a new rule, from the learner's log")
        taken = TakenBefore(self._taken)
        try:
            for cell in kept_cells(self._folder / "log"):
                known, _ = taken.divide(replace(cell.batch(), again=True))
                yield from known.sessions
        except OSError as error:
            raise StoreError(f"the learner's log in {self._folder} cannot be read: {error}") from None


def _why(found: InForce, key: Key) -> str:
    ended = next((one.why for one in reversed(found.ended) if (one.name, one.version) == key), None)
    return ended or "it is not in force any more"
