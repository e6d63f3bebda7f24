"""Which of some processes still run: any of them may end while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil


def living(
    processes: Iterable[psutil.Process], wanted: Callable[[psutil.Process], bool] = lambda _: True
) -> list[psutil.Process]:
    """Find those of ``processes`` that run and are ``wanted``, in their order.

    One that ends before it is looked at, or meanwhile, is not among them; nor is one that has ended and that nobody has
    reaped, or about which we may not ask.
    """
    return [process for process in processes if _is(process, wanted)]


def _is(process: psutil.Process, wanted: Callable[[psutil.Process], bool]) -> bool:
    try:
        return wanted(process) and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False
