"""Starts and stops the services of this machine as child processes; used by ``mos demo`` and ``mos up``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

import httpx

from mos_online.errors import MosError
from mos_online.ports import http_address
from mos_online.processes import StalledError, deferred_signals, wait_until, work_of
from mos_online.settings import Settings

STOP_TIMEOUT = 20.0
"""Seconds a child may take to finish its work after SIGTERM before its process group is killed."""


RESTARTS = 5
"""So often ``tend`` starts a child again within ``WINDOW``."""

WINDOW = 600.0
"""Seconds after which an exit is forgotten."""


@dataclass(frozen=True, kw_only=True)
class ChildProcess:
    """One ``mos`` command that runs until stopped.

    Attributes:
        name: also the name of its log file.
        arguments: of the ``mos`` command.
        ready: whether it can be used; asked again and again, must not raise.
    """

    name: str
    arguments: tuple[str, ...]
    ready: Callable[[], bool]


@dataclass
class Supervisor:
    """Child processes, started in order and stopped in reverse order whatever happens; use it in the main thread.

    SIGTERM and SIGHUP become KeyboardInterrupt, so that they stop the children too. Each child leads a process group of
    its own: a Ctrl-C at the terminal reaches only us, and what a child started is stopped with it.
    """

    logs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _children: list[tuple[ChildProcess, subprocess.Popen[bytes]]] = field(default_factory=list)
    _exits: dict[str, list[float]] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Supervisor:
        self.logs.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, service: ChildProcess) -> None:
        """Start a service and wait until it is ready, for as long as it works or writes to its log.

        Raises:
            MosError: it exited, or makes no progress; the end of its log is in the message.
        """
        log = self._log(service)
        log.unlink(missing_ok=True)
        with deferred_signals():
            child = self._launch(service)
            self._children.append((service, child))

        def ready() -> bool:
            self.check()
            return service.ready()

        try:
            wait_until(ready, progress=lambda: work_of(child.pid, log))
        except StalledError as error:
            raise MosError(f"{service.name} did not become ready: {error}. {_tail(log)}") from None

    def check(self) -> None:
        """Raise MosError if a child has exited."""
        for service, child in self._children:
            if child.poll() is not None:
                raise MosError(self._end_of(service, child))

    def tend(self, say: Callable[[str], None]) -> None:
        """Start again what has exited, after longer and longer pauses; call it every second.

        What exits is told with the end of its log, which goes on in the same file.

        Args:
            say: is given a line for each exit and each start.

        Raises:
            MosError: a child has exited ``RESTARTS`` times within ``WINDOW`` seconds, and once more.
        """
        now = self.clock()
        for place, (service, child) in enumerate(self._children):
            due = self._due.get(service.name)
            if due is None and child.poll() is not None:
                exits = [moment for moment in self._exits.get(service.name, []) if now - moment < WINDOW]
                if len(exits) >= RESTARTS:
                    again = f"it was started again {RESTARTS} times in vain"
                    raise MosError(f"{self._end_of(service, child)} All is stopped: {again}")
                pause = 2.0 ** len(exits)
                say(f"{self._end_of(service, child)}\nstarting {service.name} again in {pause:.0f} s")
                _signal(child, signal.SIGKILL, group=True)  # what it has left behind holds its ports
                self._exits[service.name] = [*exits, now]
                self._due[service.name] = now + pause
            elif due is not None and now >= due:
                del self._due[service.name]
                with deferred_signals():
                    self._children[place] = (service, self._launch(service))
                say(f"started {service.name} again")

    def _launch(self, service: ChildProcess) -> subprocess.Popen[bytes]:
        with self._log(service).open("ab") as out:
            return subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-P", "-m", "mos_cli", *service.arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def _end_of(self, service: ChildProcess, child: subprocess.Popen[bytes]) -> str:
        return f"{service.name} exited with status {child.returncode}. {_tail(self._log(service))}"

    def stop(self) -> None:
        """Stop every child: SIGTERM, wait, then SIGKILL for its whole process group. Leaves nothing behind."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave the rest running
        while self._children:
            _, child = self._children[-1]
            _signal(child, signal.SIGTERM, group=False)
            try:
                child.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _signal(child, signal.SIGKILL, group=True)
                child.wait()
                self._children.pop()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    def _log(self, service: ChildProcess) -> Path:
        return self.logs / f"{service.name}.log"


def local_services(settings: Settings) -> list[ChildProcess]:
    """The services of a single machine, in the order in which they start."""
    services = []
    if settings.kafka == "embedded":
        services.append(ChildProcess(name="kafka", arguments=("kafka",), ready=settings.broker_file.exists))
    worker = f"{http_address(settings.worker_host, settings.worker_port)}/readyz"
    serve = f"{settings.local_serve_url}/readyz"
    services.append(ChildProcess(name="serve", arguments=("serve",), ready=lambda: answers(serve)))
    services.append(ChildProcess(name="worker", arguments=("worker",), ready=lambda: answers(worker)))
    return services


def answers(url: str) -> bool:
    """Whether a GET of ``url`` is answered with 200 within a second."""
    try:
        return httpx.get(url, timeout=1.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _signal(child: subprocess.Popen[bytes], number: signal.Signals, *, group: bool) -> None:
    try:
        if group:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
    except (ProcessLookupError, PermissionError):
        pass  # already gone


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in text)
