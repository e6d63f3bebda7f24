"""When counts are written and read, at any pace of event time and at any cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mos_online.items.update_schedule import SHARE, SPANS, ReadSchedule, WriteSchedule

HALF_LIFE = 900_000
SPAN = HALF_LIFE / SPANS
STEP = 0.01


class Run:
    """A clock that goes by hundredths of a second while event time moves ``pace`` times as fast."""

    def __init__(self, *, pace: float, cost: float, longest: float = 1.0) -> None:
        self.pace, self.cost, self.longest = pace, cost, longest
        self.writes: list[float] = []
        self.behind: list[float] = []

    def write(self, seconds: float) -> Run:
        schedule, written, busy = WriteSchedule(longest=self.longest), 0.0, 0.0
        for number in range(int(seconds / STEP)):
            now = 1000 + number * STEP
            newest = number * STEP * 1000 * self.pace
            self.behind.append(newest - written)
            if now >= busy and schedule.due(now, newest - written, HALF_LIFE):
                schedule.wrote(now, now + self.cost)
                written, busy = newest, now + self.cost
                self.writes.append(now)
        return self

    def read(self, seconds: float) -> Run:
        """All that is counted can be read at once."""
        schedule, known, now = ReadSchedule(longest=self.longest), 0, 1000.0
        while now < 1000 + seconds:
            newest = int((now - 1000) * 1000 * self.pace)
            self.behind.append(newest - known)
            schedule.read(now, now + self.cost, newest, HALF_LIFE)
            known = newest
            self.writes.append(now)
            now += self.cost
            now += schedule.waits(now)
        return self


@pytest.mark.parametrize("how", ["write", "read"])
@pytest.mark.parametrize("pace", [0.0, 0.1, 1.0, 10.0])
def test_near_the_pace_of_live_traffic_the_clock_decides(how: str, pace: float) -> None:
    run: Run = getattr(Run(pace=pace, cost=0.02), how)(20)
    assert len(run.writes) in (20, 21)  # a reading takes a while, too


@pytest.mark.parametrize("how", ["write", "read"])
@given(pace=st.floats(20, 5000), cost=st.floats(0.001, 0.2))
def test_faster_event_time_is_passed_on_sooner_and_never_takes_more_than_its_share(
    how: str, pace: float, cost: float
) -> None:
    seconds = 20
    run: Run = getattr(Run(pace=pace, cost=cost), how)(seconds)
    by_cost = cost / SHARE * 1000 * pace
    assert len(run.writes) * cost <= SHARE * seconds + 2 * cost + seconds * cost  # once a second it may always
    late = (cost + 2 * STEP) * 1000 * pace
    assert max(run.behind[len(run.behind) // 2 :]) <= min(max(SPAN, by_cost), 1000 * pace) + late
    assert len(run.writes) >= seconds


def test_a_reader_looks_less_often_when_event_time_stops_and_sooner_again_when_it_goes_on() -> None:
    schedule, now, pauses = ReadSchedule(longest=1.0), 1000.0, []
    for newest in [1, *(n * 60_000 for n in range(1, 30)), *[29 * 60_000] * 10, *(n * 60_000 for n in range(30, 40))]:
        schedule.read(now, now + 0.001, newest, HALF_LIFE)
        pauses.append(schedule.waits(now + 0.001))
        now += max(pauses[-1], 0.05)
    assert min(pauses[5:29]) < 0.05
    assert pauses[38] == pytest.approx(1.0, abs=0.01)
    assert pauses[-1] < 0.05


def test_a_log_that_begins_anew_with_older_times_is_read_by_the_clock() -> None:
    schedule = ReadSchedule(longest=1.0)
    schedule.read(1000, 1000.001, 10**9, HALF_LIFE)
    schedule.read(1001, 1001.001, 5, HALF_LIFE)
    assert schedule.waits(1001.001) == pytest.approx(1.0, abs=0.01)
    schedule.read(1002, 1002.001, 5 + 600_000, HALF_LIFE)
    assert schedule.waits(1002.001) < 0.1
