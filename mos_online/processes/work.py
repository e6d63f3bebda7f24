"""How much a process has done so far, as ``wait_until`` wants to know it."""

from __future__ import annotations

from pathlib import Path

import psutil

STEP = 2.5
"""CPU seconds that count as progress. An idle worker takes 0.035 a second: less than one step while a wait stalls. On a
busy machine a process that starts may get so little, too."""


def work_of(pid: int, *logs: Path) -> tuple[int, ...]:
    """A value that changes while a process, one of its descendants, or a log that they write gets on.

    It is made of the CPU time that they have taken, in steps of ``STEP`` seconds, and of the sizes of the logs. A
    process that has ended, and a log that does not exist yet, count as nothing.
    """
    return (int(_cpu_seconds(pid) / STEP), *(log.stat().st_size if log.exists() else 0 for log in logs))


def _cpu_seconds(pid: int) -> float:
    total = 0.0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return total
    for one in family:
        try:
            times = one.cpu_times()
        except psutil.Error:  # it has just ended: its parent has its time from now on
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
