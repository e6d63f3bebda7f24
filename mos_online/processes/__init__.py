"""Processes: children that do not outlive us, waiting for them, and locks between programs."""

from mos_online.processes.child import GuardedChild
from mos_online.processes.living import living
from mos_online.processes.lock import held_locks, locked
from mos_online.processes.signals import deferred_signals, stopping_signals
from mos_online.processes.waiting import StalledError, wait_until
from mos_online.processes.work import work_of

__all__ = [
    "GuardedChild",
    "StalledError",
    "deferred_signals",
    "held_locks",
    "living",
    "locked",
    "stopping_signals",
    "wait_until",
    "work_of",
]
