"""The experiments in the registry: numbered revisions of what is in force, which replicas and the learner follow."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from mos_online.errors import ModelError, RegistryError
from mos_online.experiments import changes
from mos_online.experiments.in_force import InForce
from mos_online.experiments.plan import Plan
from mos_online.registry.lock import WriterLock
from mos_online.registry.numbered import NumberedFiles, file_of
from mos_online.registry.storage import Storage

FOLDER = "experiments"
KEPT_REVISIONS = 50
"""Revisions that stay, the newest among them."""

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(InForce).decode


class Found(NamedTuple):
    """What is in force.

    Attributes:
        revision: its number and hash; "" before the first.
        in_force: the newest that can be read.
        problem: why that is not the newest of all; None if it is.
    """

    revision: str = ""
    in_force: InForce = InForce()
    problem: str | None = None

    @property
    def number(self) -> int:
        """Of the revision; 0 before the first."""
        return int(self.revision[:8] or 0)


class ExperimentHistory:
    """The experiments of a registry. Of two writers at once one waits, and changes what the other one has left.

    A revision that is damaged, or that a newer version of the program has written, counts as one that is not there: all
    who read stay with the one before.

    Attributes:
        label: of the registry, for messages.
    """

    def __init__(self, storage: Storage, resolve: Callable[[str], str]) -> None:
        """Nothing is read yet.

        Args:
            storage: of the registry.
            resolve: the version that an alias names, or the version itself; raises ModelError if there is none.
        """
        self.label = storage.label
        self._files = NumberedFiles(storage, FOLDER, kept=KEPT_REVISIONS)
        self._lock = WriterLock(storage)
        self._resolve = resolve
        self._known = Found()
        self._damaged: dict[str, str] = {}

    def read(self) -> Found:
        """What is in force; costs one listing while nothing changes.

        Raises:
            RegistryError: the registry cannot be read.
        """
        problem = None
        for commit in reversed(self._files.committed()):
            if commit == self._known.revision:
                self._known = self._known._replace(problem=problem)
                return self._known
            found = self._damaged.get(commit) or self._in_revision(commit)
            if isinstance(found, InForce):
                self._known = Found(commit, found, problem)
                return self._known
            problem = problem or (
                f"the experiments of the registry {self.label} are damaged: {FOLDER}/{file_of(commit)} {found}; those "
                "before it stay in force, and `mos experiments start FILE` writes them again"
            )
        return Found(problem=problem)

    def _in_revision(self, commit: str) -> InForce | str:
        """What a revision says, or what is wrong with it, which is kept in mind: a file is never changed."""
        try:
            found = _content(self._files.read(commit))
        except FileNotFoundError:
            return "is missing"  # it may come yet, as when a registry is being restored
        if isinstance(found, str):
            self._damaged[commit] = found
        return found

    def checked(self, plan: Plan, check: Callable[[str], object], *, now: int) -> InForce:
        """What ``start`` would put into force, after the same checks. Takes and raises what ``start`` does."""
        after = changes.started(self.read().in_force, plan, self._resolve, now=now)
        problems: dict[str, str] = {}
        for version in sorted(after.models()):
            try:
                check(version)
            except ModelError as error:
                problems[version] = str(error)
        faults = [
            f"the arm {arm.name} of {one.name} cannot be served: {problems[version]}"
            for one in after.running
            for arm in one.plan.arms
            if arm.model is not None and (version := one.models[arm.model]) in problems
        ]
        if faults:
            raise ModelError("\n".join(faults))
        return after

    def start(self, plan: Plan, check: Callable[[str], object], *, now: int) -> Found:
        """Put a plan, which names all experiments that are to run, into force in one step.

        Args:
            plan: free of faults, as ``mos_online.experiments.reading`` gives it.
            check: tries each version of a model that an arm names; raises ModelError if it cannot serve.
            now: ms since 1970 UTC.

        Raises:
            SettingsError: the plan does not follow from what is in force.
            ModelError: an arm names a model that there is not, or that cannot serve; each such arm has a line.
            RegistryError: the registry cannot be read or written.
        """
        checked = self.checked(plan, check, now=now).models()

        def start(before: InForce) -> InForce:
            after = changes.started(before, plan, self._resolve, now=now)
            if others := after.models() - checked:
                raise ModelError(
                    f"an alias names {', '.join(sorted(others))} since the models were checked: start again"
                )
            return after

        return self._change(start)

    def stop(self, experiments: Sequence[str], why: str, *, now: int) -> Found:
        """End experiments; their users get what everybody gets.

        Raises:
            SettingsError: one of them does not run.
            RegistryError: the registry cannot be read or written.
        """
        return self._change(lambda before: changes.stopped(before, experiments, why, now=now))

    def roll_back(self, experiment: str, version: int, arm: str, why: str, *, now: int) -> Found:
        """Give the users of an arm the control until a new version of the experiment; they stay assigned to the arm.

        Args:
            experiment: its name.
            version: of its split.
            arm: any but the control.
            why: for people.
            now: ms since 1970 UTC.

        Raises:
            ModelError: this version of the experiment does not run, it has no such arm, or that is the control.
            RegistryError: the registry cannot be read or written.
        """
        return self._change(lambda before: changes.rolled_back(before, experiment, version, arm, why, now=now))

    def _change(self, change: Callable[[InForce], InForce]) -> Found:
        with self._lock.held() as lease:
            before = self.read()
            after = change(before.in_force)
            if after == before.in_force and before.problem is None:
                return before
            commit = self._files.commit(msgspec.json.encode(after) + b"\n", lease.check)
        self._known = Found(commit, after)
        return self._known


class ExperimentsFollower:
    """What is in force, looked up from time to time; what was in force holds while the registry is away.

    Attributes:
        found: what is in force.
        problem: why that may not be the newest; None if it is.
    """

    def __init__(self, history: ExperimentHistory, *, every: float) -> None:
        """Know of no experiments; ``poll`` looks, at most every so many seconds."""
        self.found = Found()
        self.problem: str | None = None
        self._history = history
        self._every = every
        self._next_look = float("-inf")
        self._turn = threading.Lock()

    def poll(self) -> bool:
        """Look; True if something else is in force. Never raises ModelError: see ``problem``."""
        if time.monotonic() < self._next_look or not self._turn.acquire(blocking=False):
            return False
        try:
            found, problem = self._look()
        finally:
            self._next_look = time.monotonic() + self._every
            self._turn.release()
        if problem is not None and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem
        changed = found.revision != self.found.revision
        self.found = found
        return changed

    def _look(self) -> tuple[Found, str | None]:
        try:
            found = self._history.read()
        except RegistryError as error:
            return self.found, str(error)
        if self.found.revision and not found.revision:  # as of a volume that is not mounted at the moment
            return self.found, found.problem or (
                f"the registry {self._history.label} has no experiments any more: those that were in force stay until "
                "a restart"
            )
        return found, found.problem


def _content(content: bytes | None) -> InForce | str:
    """What a revision says, or what is wrong with it."""
    if content is None:
        return "is not what was written"
    try:
        return _decode(content)
    except msgspec.MsgspecError as error:
        return f"is of another version of MoS Online: {error}"
