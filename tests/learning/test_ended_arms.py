"""Fifty experiments that have come and gone leave nothing that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from features.store import OnlineStore
from learning.ended_arms import WAIT, EndedArms
from mos_online.errors import RegistryError, SettingsError, StoreError
from mos_online.experiments.changes import started, stopped
from mos_online.experiments.in_force import MOST_ENDED, InForce
from mos_online.experiments.plan import Plan
from mos_online.experiments.reading import parse_plan
from mos_online.learning.fast_weights import FastWeights
from mos_online.registry import Registry
from mos_online.settings import Settings
from tests.experiments.plans import ROUTING, resolve
from tests.registry.test_routers import update


@pytest.fixture
def store(mos_home: Settings) -> Iterator[OnlineStore]:
    with closing(OnlineStore.open(mos_home)) as found:
        yield found


class World:
    """Experiments that come and go, what their arms leave, and a clock that is set."""

    def __init__(self, store: OnlineStore, folder: Path) -> None:
        self.store, self.registry = store, Registry(folder / "models")
        self.now, self.found, self.away = 0.0, InForce(), False

    def part(self) -> EndedArms:
        def delete(arms: Sequence[str]) -> None:
            if self.away:
                raise StoreError("away")
            self.store.fast_weights.delete(arms)
            self.store.routers.delete(arms)

        def forget(arm: str) -> None:
            if self.away:
                raise RegistryError("away")
            self.registry.forget_arm(arm)

        return EndedArms(lambda: self.found, delete_rows=delete, forget=forget, clock=lambda: self.now)

    def start(self, version: int) -> str:
        self.found = started(self.found, plan(version), resolve, now=version)
        arm = f"routing/{version}/online"
        self.store.fast_weights.write(FastWeights(arm=arm, as_of=1, models={}))
        self.store.routers.write(update(1, arm=arm))
        self.registry.routers("r-0", arm).add(update(1, arm=arm))
        return arm

    def left(self, arms: list[str]) -> tuple[set[str], set[str], set[str]]:
        """Those of these arms of which there are fast weights, a row of the router, and revisions."""
        kept = {arm for arm in arms if self.registry.routers("r-0", arm).revisions()}
        return set(self.store.fast_weights.read(arms)), set(self.store.routers.stamps(arms)), kept


def plan(version: int) -> Plan:
    return parse_plan(ROUTING.replace("version: 1", f"version: {version}"))


def test_fifty_experiments_leave_nothing_that_nobody_reads(store: OnlineStore, tmp_path: Path) -> None:
    world = World(store, tmp_path)
    part, arms = world.part(), ["champion"]
    store.routers.write(update(1))
    for version in range(1, MOST_ENDED + 4):
        arms.append(world.start(version))
        part.step(0)
        if version <= MOST_ENDED + 2:
            world.found = stopped(world.found, ["routing"], "done", now=version)
            part.step(0)
        world.now += WAIT / 2
    assert world.left(arms)[1] == {"champion", *arms[-2:]}, "replicas may still read those that ended just now"
    world.away = True
    world.now += WAIT
    with pytest.raises(StoreError, match="away"):
        part.step(0)
    world.away = False
    part.step(0)
    fast, rows, revisions = world.left(arms)
    assert (fast, rows) == ({arms[-1]}, {"champion", arms[-1]})
    assert revisions == set(arms[3:]), "two are forgotten"
    assert part.status() == {"waiting": 0, "removed": 2 * MOST_ENDED}
    assert len(world.found.ended) == MOST_ENDED
    with pytest.raises(SettingsError, match=f"raise its version to {MOST_ENDED + 4}"):
        started(stopped(world.found, ["routing"], "done", now=0), plan(1), resolve, now=0)


def test_what_ended_while_nobody_learned_is_removed_and_what_runs_again_elsewhere_is_not(
    store: OnlineStore, tmp_path: Path
) -> None:
    world = World(store, tmp_path)
    arm = world.start(1)
    running = world.found
    world.found = stopped(running, ["routing"], "done", now=2)
    part = world.part()
    part.step(0)
    world.found = running  # of another registry
    world.now += 2 * WAIT
    part.step(0)
    assert arm in world.left([arm])[0]
    world.found = stopped(running, ["routing"], "done", now=2)
    part.step(0)
    world.now += 2 * WAIT
    part.step(0)
    assert world.left([arm])[:2] == (set(), set())


def test_an_arm_that_is_known_again_as_ended_keeps_its_revisions(store: OnlineStore, tmp_path: Path) -> None:
    """Its experiments were not known for a moment, in which its revisions could not be removed either."""
    world = World(store, tmp_path)
    part, arm = world.part(), world.start(1)
    ended = world.found = stopped(world.found, ["routing"], "done", now=1)
    part.step(0)
    world.found, world.away = InForce(), True
    with pytest.raises(RegistryError, match="away"):
        part.step(0)
    world.found, world.away = ended, False
    part.step(0)
    assert world.left([arm])[2] == {arm}
