"""How a service in the foreground is stopped: by Ctrl-C, or by SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.console import Console


class _Stop(BaseException):
    """SIGTERM arrived."""


@contextmanager
def until_stopped(console: Console) -> Iterator[None]:
    """Leave the block at Ctrl-C, with exit status 130, and at SIGTERM, with 0; use it in the main thread."""
    catch_sigterm()
    try:
        yield
    except _Stop:
        console.print("stopped")
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None


def catch_sigterm() -> None:
    """Let SIGTERM end ``until_stopped``; call it again inside the block after something else took the signal."""
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(_signum: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # we are stopping already
    raise _Stop
