"""Starts and stops the services of this machine as child processes; used by ``mos demo`` and ``mos up``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal

import httpx

from mos_online.errors import MosError
from mos_online.ports import http_address
from mos_online.processes import (
    GuardedChild,
    StalledError,
    deferred_signals,
    locked,
    stopping_signals,
    wait_until,
    work_of,
)
from mos_online.settings import Settings
from mos_online.system_settings import PREFIX

STOP_TIMEOUT = 20.0
"""Seconds a child may take to finish its work after SIGTERM before its process group is killed."""

LOCK = "services.lock"

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

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
    its own: a Ctrl-C at the terminal reaches only us, and what a child started is stopped with it. If this process is
    killed, the children stop too.
    """

    logs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _children: list[tuple[ChildProcess, GuardedChild]] = field(default_factory=list)
    _signals: ExitStack = field(default_factory=ExitStack)
    _exits: dict[str, list[float]] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Supervisor:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._signals.enter_context(stopping_signals())
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
            if child.status() is not None:
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
            if due is None and child.status() is not None:
                exits = [moment for moment in self._exits.get(service.name, []) if now - moment < WINDOW]
                if len(exits) >= RESTARTS:
                    again = f"it was started again {RESTARTS} times in vain"
                    raise MosError(f"{self._end_of(service, child)} All is stopped: {again}")
                pause = 2.0 ** len(exits)
                say(f"{self._end_of(service, child)}\nstarting {service.name} again in {pause:.0f} s")
                child.end(signal.SIGKILL, timeout=0)  # what it has left behind holds its ports
                self._exits[service.name] = [*exits, now]
                self._due[service.name] = now + pause
            elif due is not None and now >= due:
                del self._due[service.name]
                with deferred_signals():
                    self._children[place] = (service, self._launch(service))
                say(f"started {service.name} again")

    def _launch(self, service: ChildProcess) -> GuardedChild:
        return GuardedChild(
            [sys.executable, "-P", "-m", "mos_cli", *service.arguments],
            log=self._log(service),
            environment={**os.environ, **self.environment},
            patience=int(STOP_TIMEOUT),
        )

    def _end_of(self, service: ChildProcess, child: GuardedChild) -> str:
        return f"{service.name} exited with status {child.status()}. {_tail(self._log(service))}"

    def stop(self) -> None:
        """Stop every child: SIGTERM, wait, then SIGKILL for its whole process group. Leaves nothing behind."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in STOPPING}
        try:  # a second Ctrl-C must not leave the rest running
            while self._children:
                self._children[-1][1].end(signal.SIGTERM, timeout=STOP_TIMEOUT)
                self._children.pop()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._signals.close()

    def _log(self, service: ChildProcess) -> Path:
        return self.logs / f"{service.name}.log"


def services_lock(home: Path) -> AbstractContextManager[int]:
    """The lock of whoever starts services in a MOS_HOME: their logs and files are of one run at a time.

    Raises:
        MosError: another process holds it.
    """
    return locked(home / LOCK, what="`mos up` or `mos demo`", instead="choose another MOS_HOME")


def local_services(
    settings: Settings, *, probe: Literal["readyz", "healthz"] = "readyz", learn: Sequence[str] | None = None
) -> list[ChildProcess]:
    """The services of a single machine, in the order in which they start.

    Args:
        settings: of all of them.
        probe: what service and worker must answer to be ready; without a model they only answer "healthz".
        learn: the options of the learner; None: it is not one of them.
    """
    services = []
    if settings.kafka == "embedded":
        services.append(ChildProcess(name="kafka", arguments=("kafka",), ready=settings.broker_file.exists))
    worker = f"{http_address(settings.worker_host, settings.worker_port)}/{probe}"
    serve = f"{settings.local_serve_url}/{probe}"
    services.append(ChildProcess(name="serve", arguments=("serve",), ready=lambda: answers(serve)))
    services.append(ChildProcess(name="worker", arguments=("worker",), ready=lambda: answers(worker)))
    if learn is not None:
        learner = f"{http_address(settings.learn_host, settings.learn_port)}/{probe}"
        services.append(ChildProcess(name="learn", arguments=("learn", *learn), ready=lambda: answers(learner)))
    return services


def environment_of(settings: Settings) -> dict[str, str]:
    """Settings as environment variables of services."""
    return {PREFIX + name.upper(): str(value) for name, value in settings.model_dump().items() if value is not None}


@cache
def _client() -> httpx.Client:
    """One for all questions: making one takes 20 ms of processor time, which whoever starts needs."""
    return httpx.Client(timeout=1.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def answers(url: str) -> bool:
    """Whether a GET of ``url``, of this machine and so through no proxy, is answered with 200 within a second."""
    try:
        return _client().get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in text)
