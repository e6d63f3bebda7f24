"""Signals that wait until a step is complete which must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Inside the block Ctrl-C, SIGTERM and SIGHUP wait; each arrives when the block ends.

    Use it around the start of a child process and the assignment by which the child is known: an interruption
    between the two would leave a process of which nobody knows. A child does not inherit it. In other threads than the
    main one it does nothing, because Python handles no signals there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    handlers = {number: signal.getsignal(number) for number in _STOPPING}
    handled = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for stopping in handled:
        signal.signal(stopping, note)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for came in dict.fromkeys(arrived):
            signal.raise_signal(signal.Signals(came))


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does; use it in the main thread.

    A signal that is ignored stays ignored: `nohup` ignores SIGHUP, and the shell ignores SIGINT of background jobs.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
