"""How a service in the foreground is stopped: by Ctrl-C, by SIGTERM, or when its terminal closes (SIGHUP)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.console import Console


class _Stop(BaseException):
    """SIGTERM or SIGHUP arrived."""


@contextmanager
def until_stopped(console: Console) -> Iterator[None]:
    """Leave the block at Ctrl-C, with exit status 130, and at SIGTERM and SIGHUP, with 0; use it in the main thread."""
    catch_signals()
    try:
        yield
    except _Stop:
        console.print("stopped")
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None


def catch_signals() -> None:
    """Let SIGTERM and SIGHUP end ``until_stopped``; call it again inside the block after something else took one.

    A signal that is ignored stays ignored: `nohup` ignores SIGHUP.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # we are stopping already
    raise _Stop
