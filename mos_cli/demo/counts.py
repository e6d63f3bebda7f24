"""What a running learner has counted of an experiment, and when it has counted all that it can."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress

from learning.status import read_status
from mos_online.experiments.result import ExperimentResult
from mos_online.learning.kept_results import read_results
from mos_online.learning.router_part import RouterPart
from mos_online.processes import StalledError, wait_until
from mos_online.settings import Settings

PATIENCE = 45.0
"""Seconds without any progress after which nobody will be counted."""

STILL = 5.0
"""Seconds beyond the idle timeout of a partition; when nothing has moved for so long, all is counted that can be."""


def wait_for_counts(settings: Settings, name: str, check: Callable[[], None], *, begun: bool) -> None:
    """Wait until nothing moves any more in the learner, because no events come.

    Args:
        settings: of the learner.
        name: of the experiment.
        check: called again and again; what it raises ends the wait.
        begun: whether somebody must be counted before, if that takes no longer than ``PATIENCE``.
    """
    folder = settings.learning_dir

    def moved() -> Hashable:
        status, result = read_status(folder), result_of(settings, name)
        seen = (status.event_time, *sorted(status.counts.items())) if status is not None else ()
        return seen, result.event_time if result is not None else None

    def counted() -> bool:
        check()
        result = result_of(settings, name)
        return result is not None and result.begun_at >= 0

    def never() -> bool:
        check()
        return False

    with suppress(StalledError):
        if begun:
            wait_until(counted, progress=moved, stalled=PATIENCE)
        wait_until(never, progress=moved, stalled=settings.sessions.idle_timeout / 1000 + STILL)


def result_of(settings: Settings, name: str) -> ExperimentResult | None:
    """What the learner has found in the newest version of an experiment; None if it has not said anything."""
    found = [one for one in read_results(settings.learning_dir) if one.plan.name == name]
    return found[-1] if found else None


def revisions_of(settings: Settings, arm: str) -> int:
    """How many revisions an arm that learns has got, by the word of the learner.

    Args:
        settings: of the learner.
        arm: such as ``routing/1/online``.
    """
    status = read_status(settings.learning_dir)
    said = status.parts.get(RouterPart.name, {}) if status is not None else {}
    return int(said.get(f"arm {arm}", {}).get("revision", 0))
