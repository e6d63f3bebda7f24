"""One writer at a time, and none is waited for when it is dead."""

from __future__ import annotations

import threading
import time

import pytest

from mos_online.errors import RegistryError
from mos_online.registry.lock import LEASE, Lease, WriterLock
from mos_online.registry.storage import Storage
from tests.standing_clock import StandingClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    clock = StandingClock()
    monkeypatch.setattr("mos_online.registry.lock.time", clock)
    return clock


def test_two_writers_never_hold_it_at_once(place: Storage) -> None:
    inside, most, entered = 0, 0, 0
    counting = threading.Lock()

    def write() -> None:
        nonlocal inside, most, entered
        for _ in range(8):
            with WriterLock(place).held():
                with counting:
                    inside, entered = inside + 1, entered + 1
                    most = max(most, inside)
                time.sleep(0.002)
                with counting:
                    inside -= 1

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, entered) == (1, 32)
    assert place.names("lock") == []


def test_of_two_that_claim_at_once_none_goes_in_beside_the_other(place: Storage) -> None:
    """Both put up their claims before either looks: the worst that can happen."""
    claimed = threading.Barrier(2)
    owners: list[Lease | None] = []

    class Meeting(type(place)):  # type: ignore[misc]
        def create(self, path: str, data: bytes) -> None:
            super().create(path, data)
            claimed.wait(10)

    def claim() -> None:
        meeting = object.__new__(Meeting)
        meeting.__dict__ = dict(vars(place))
        owners.append(WriterLock(meeting)._claim())

    threads = [threading.Thread(target=claim) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owners.count(None) >= 1
    assert len(place.names("lock")) == 2 - owners.count(None)


def test_a_writer_that_lives_is_waited_for_and_named(place: Storage) -> None:
    with WriterLock(place, lease=1.5).held():
        begun = time.monotonic()
        with pytest.raises(RegistryError, match=r"lock is held by .+ process \d+"):
            WriterLock(place, lease=1.5, timeout=2.5)._acquire()
        assert time.monotonic() - begun > 2.5  # longer than a lease: it is renewed
    with WriterLock(place, lease=1.5, timeout=0.0).held():
        pass


def test_a_dead_writers_lock_is_taken_over_after_its_lease_and_not_before(place: Storage, clock: StandingClock) -> None:
    place.create("lock/of-the-dead", b"elsewhere process 1 renewal 7\n")
    begun = clock.now
    with WriterLock(place).held():
        assert LEASE < clock.now - begun < LEASE + 1
        assert "of-the-dead" not in "".join(place.names("lock"))


def test_an_owner_that_was_held_up_notices_before_its_next_step(place: Storage, clock: StandingClock) -> None:
    sleeper = WriterLock(place, lease=0.2)._claim()  # and nobody renews it: the process does not run
    assert sleeper
    sleeper.check()
    with WriterLock(place, lease=0.2).held() as lease:
        lease.check()
        with pytest.raises(RegistryError, match=r"is lost.*run the command again"):
            sleeper.check()
        sleeper.keep()  # awake again, it sees so and does not put its claim up once more
        assert sleeper.lost
        assert len(place.names("lock")) == 1


def test_a_lease_that_has_run_out_is_not_renewed_even_if_nobody_has_taken_it(
    place: Storage, clock: StandingClock
) -> None:
    """The next writer may be about to remove the claim: renewing it then would make two owners."""
    sleeper = WriterLock(place, lease=0.2)._claim()
    assert sleeper
    before = place.read(sleeper.claim)
    clock.now += 0.11
    sleeper.keep()
    assert sleeper.lost
    assert place.read(sleeper.claim) == before


def test_an_owner_whose_claim_was_removed_has_lost_it(place: Storage, clock: StandingClock) -> None:
    owner = WriterLock(place, lease=0.2)._claim()
    assert owner
    place.delete(owner.claim)
    owner.keep()
    with pytest.raises(RegistryError, match="is lost"):
        owner.check()
    assert place.names("lock") == []
