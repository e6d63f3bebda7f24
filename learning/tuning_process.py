"""The process of one fine-tuning: ``python -m learning.tuning_process WHY [refit] [hold]``. It gives way."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from mos_online.contracts import Session
from mos_online.errors import DatasetError, MosError
from mos_online.learning.whole_file import replace_file
from mos_online.settings import Settings, settings

NICE = 10
REFIT = "refit"
"""The argument that asks for a new epoch."""
HOLD = "hold"
"""The argument with which a candidate that passes is not promoted."""
EVENTS_PER_EXAMPLE = 5
"""So many more events are read than are learned from: histories are among them."""
AT_ONCE = 500
"""Profiles that are read together, those of the users that were seen last first."""

log = logging.getLogger("mos.fine-tuning")


class TuningEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the process ended.

    Attributes:
        state: ``done``: it is in the history; ``skipped``: there was nothing to learn; ``failed``: something is wrong.
        words: what there is to say.
    """

    FILE = "fine-tuning.json"

    state: Literal["done", "skipped", "failed"]
    words: str

    def write(self, folder: Path) -> None:
        """Replace what the last one has left."""
        replace_file(folder / self.FILE, msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path) -> TuningEnd | None:
        """What the last one has left; None if it was killed."""
        try:
            return msgspec.json.decode((folder / cls.FILE).read_bytes(), type=cls)
        except FileNotFoundError:
            return None


def tune_once(configured: Settings, why: str, *, refit: bool = False, hold: bool = False) -> TuningEnd:
    """Fine-tune the champion with what the learner has kept; with ``refit`` a candidate may begin a new epoch."""
    from mos_online.fine_tuning.config import FineTuneConfig  # noqa: PLC0415 - torch takes seconds to import
    from mos_online.fine_tuning.cycle import fine_tune  # noqa: PLC0415
    from mos_online.fine_tuning.history import History  # noqa: PLC0415
    from mos_online.fine_tuning.shadow import REQUESTS  # noqa: PLC0415
    from mos_online.learning.kept_sessions import newest_outcomes, newest_sessions  # noqa: PLC0415
    from mos_online.registry import open_registry  # noqa: PLC0415

    config = FineTuneConfig(minutes=configured.learn_minutes, threads=configured.learn_threads)
    folder = configured.learning_dir
    rules = configured.sessions
    most = EVENTS_PER_EXAMPLE * config.examples
    try:
        sessions = newest_sessions(folder / "log", events=most)
        result = fine_tune(
            open_registry(configured),
            sessions,
            History(folder),
            types=rules.types,
            gap_ms=rules.gap,
            config=config,
            why=why,
            refit=refit,
            hold=hold,
            earlier=earlier_of(configured, sessions, most - sum(len(one.events) for one in sessions)),
            outcomes=newest_outcomes(folder / "log", count=REQUESTS),
            say=log.info,
        )
    except DatasetError as error:
        return TuningEnd(state="skipped", words=str(error))
    except MosError as error:
        return TuningEnd(state="failed", words=str(error))
    words = f"{result.candidate or 'no candidate'} was {result.result}" + (
        f": {'; '.join(result.reasons)}" if result.reasons else ""
    )
    return TuningEnd(state="done", words=words)


def earlier_of(configured: Settings, sessions: Sequence[Session], events: int) -> list[Session]:
    """What the users of these sessions did before, as far as their profiles know it; about so many events at most.

    Raises:
        StoreError: the online store cannot be read.
    """
    from features.store import OnlineStore  # noqa: PLC0415 - Feast takes seconds to import
    from mos_online.fine_tuning.earlier import earlier_sessions  # noqa: PLC0415

    if not sessions or events <= 0:
        return []
    users = list(dict.fromkeys(session.user_id for session in reversed(sessions)))
    store = OnlineStore.open(configured)
    try:
        parts = (store.read_profiles(users[at : at + AT_ONCE]) for at in range(0, len(users), AT_ONCE))
        profiles = (profile for part in parts for profile in part.values())
        return earlier_sessions(profiles, sessions, configured.sessions.types, events=events)
    finally:
        store.close()


def main() -> None:
    """Run with the settings of the environment."""
    os.nice(NICE)
    configured = settings()
    logging.basicConfig(level=configured.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    end = tune_once(configured, sys.argv[1], refit=REFIT in sys.argv[2:], hold=HOLD in sys.argv[2:])
    log.info("%s: %s", end.state, end.words)
    end.write(configured.learning_dir)


if __name__ == "__main__":
    main()
