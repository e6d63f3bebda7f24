"""A child process that does not outlive us."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path


class GuardedChild:
    """A child process of which a file has the process id while it runs, and which ends when this process does.

    It ends even if this process is killed by SIGKILL. A Ctrl-C at the terminal does not reach it. Start it inside
    ``mos_online.processes.deferred_signals``, together with the assignment that keeps it. Else an interruption may
    leave it running until this process ends.
    """

    def __init__(self, command: list[str], *, folder: Path, log: Path, pid_file: Path) -> None:
        """Start the process.

        Args:
            command: with the path of the program first.
            folder: where it runs.
            log: what it prints is appended to this file.
            pid_file: written now, removed by ``end`` and ``release``.

        Raises:
            OSError: it cannot be started.
        """
        self._pid_file = pid_file
        self._guard: subprocess.Popen[bytes] | None = None
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        try:
            self._guard = _guard(self.pid)
            draft = pid_file.with_suffix(".draft")
            draft.write_text(str(self.pid))
            draft.replace(pid_file)
        except BaseException:
            self.end(signal.SIGKILL, timeout=0)
            raise

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def status(self) -> int | None:
        """With which status it has ended; None while it runs."""
        return self._process.poll()

    def end(self, number: signal.Signals, *, timeout: float) -> None:
        """Send it a signal, and SIGKILL if it has not ended after ``timeout`` seconds; returns when it has ended."""
        try:
            self._process.send_signal(number)
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()
            self.release()

    def release(self) -> None:
        """Clean up after it has ended."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        self._pid_file.unlink(missing_ok=True)


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """A shell that stops ``pid`` when its standard input ends: when we end, for nobody else has the other end."""
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read _; kill "$0"', str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
