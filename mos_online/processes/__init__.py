"""Child processes: how long to wait for them, and starting them without losing one to a Ctrl-C."""

from mos_online.processes.signals import deferred_signals
from mos_online.processes.waiting import StalledError, wait_until
from mos_online.processes.work import work_of

__all__ = ["StalledError", "deferred_signals", "wait_until", "work_of"]
