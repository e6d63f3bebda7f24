"""A child process that does not outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from mos_online.processes.living import living

ORPHANED = """
exec 3<&0
(
  read -r _ <&3
  kill -s TERM $$
  left={patience}
  while [ $left -gt 0 ] && kill -s 0 $$; do sleep 1; left=$((left - 1)); done
  kill -s KILL -- -$$
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""
"""A shell becomes the child. Before, it leaves a watcher in the child's process group, which waits for the end of a
pipe. Nobody writes to the pipe and only we hold its other end, so it ends when we do, however that happens. While the
watcher lives, the number of the group belongs to no other process."""


DYING = 2.0
"""Seconds for which the killed are waited for."""


class GuardedChild:
    """A child process that ends when this process does, also if this process is killed by SIGKILL.

    It leads a session and a process group of its own, so a Ctrl-C at the terminal does not reach it. Start it inside
    ``mos_online.processes.deferred_signals``, together with the assignment that keeps it. Else an interruption may
    leave it running until this process ends.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        patience: int = 20,
        inherited: Sequence[int] = (),
    ) -> None:
        """Start the process.

        Args:
            command: with the path of the program first.
            log: what it prints is appended to this file.
            folder: where it runs; here if not given.
            environment: all of its variables; ours if not given.
            patience: seconds from SIGTERM to SIGKILL if we are gone.
            inherited: open files that it holds too, such as locks.

        Raises:
            OSError: it cannot be started.
        """
        watched, self._held = os.pipe()
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(  # noqa: S603 - our own command line
                    ["/bin/sh", "-c", ORPHANED.format(patience=patience), "sh", *command],
                    cwd=folder,
                    env=environment,
                    stdin=watched,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=inherited,
                )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(watched)
        self._over = False

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def status(self) -> int | None:
        """With which status it has ended; None while it runs."""
        return self._process.poll()

    def end(self, number: signal.Signals, *, timeout: float) -> None:
        """Send it a signal and wait; then kill what is left of its process group. Returns when it has ended.

        Args:
            number: the signal.
            timeout: seconds after which it gets SIGKILL.
        """
        if self._over:
            return
        try:
            self._process.send_signal(number)
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._over = True
            with suppress(ProcessLookupError, PermissionError):  # macOS: nobody is left but the dead
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
                _wait_for_the_end_of(self.pid)
            self._process.wait()
            os.close(self._held)


def _wait_for_the_end_of(group: int) -> None:
    """Wait until the killed have ended and their locks are free; not for long.

    Raises:
        ProcessLookupError, PermissionError: they have ended, and somebody has reaped them.
    """
    until = time.monotonic() + DYING
    while time.monotonic() < until:
        os.killpg(group, 0)
        if not living(psutil.process_iter(), lambda process: os.getpgid(process.pid) == group):
            return
        time.sleep(0.01)
