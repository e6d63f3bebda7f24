"""The event-time clock of one partition: literal times, in milliseconds."""

from __future__ import annotations

from mos_online.sessions import ClockState, SessionConfig
from mos_online.sessions.clock import EventTimeClock

CONFIG = SessionConfig(lateness=10, idle_timeout=100, live_within=1000)


def clock(newest: int = 50_000, watermark: int = 49_990, arrived_at: int = 50_020) -> EventTimeClock:
    return EventTimeClock(CONFIG, ClockState(newest=newest, watermark=watermark, arrived_at=arrived_at))


def test_a_new_clock_has_seen_nothing() -> None:
    assert EventTimeClock(CONFIG).state() == ClockState(newest=-1, watermark=-1, arrived_at=-1)


def test_a_newer_event_moves_the_watermark_to_its_time_minus_the_lateness() -> None:
    c = clock()
    assert c.observe(50_500, arrival=60_000)
    assert (c.newest, c.watermark) == (50_500, 50_490)


def test_an_older_event_moves_nothing() -> None:
    c = clock()
    assert not c.observe(49_995, arrival=60_000)
    assert (c.newest, c.watermark) == (50_000, 49_990)


def test_a_newer_event_does_not_pull_back_a_watermark_that_a_heartbeat_has_moved_further() -> None:
    c = clock(watermark=50_400)
    assert not c.observe(50_405, arrival=60_000)
    assert (c.newest, c.watermark) == (50_405, 50_400)


def test_an_event_ahead_of_its_arrival_counts_as_of_its_arrival() -> None:
    c = clock()
    assert c.observe(50_500, arrival=50_300)
    assert (c.newest, c.watermark) == (50_300, 50_290)


def test_a_heartbeat_ahead_of_its_arrival_moves_no_more_than_an_event() -> None:
    c = clock()
    assert c.heartbeat(50_500, arrival=50_300)
    assert (c.newest, c.watermark) == (50_300, 50_290)


def test_a_heartbeat_needs_no_lateness() -> None:
    c = clock()
    assert c.heartbeat(50_500, arrival=60_000)
    assert (c.newest, c.watermark) == (50_500, 50_500)


def test_an_old_heartbeat_moves_nothing() -> None:
    c = clock()
    assert not c.heartbeat(49_990, arrival=60_000)
    assert (c.newest, c.watermark) == (50_000, 49_990)


def test_a_record_that_arrives_within_the_idle_timeout_moves_no_watermark() -> None:
    c = clock()
    assert not c.arrive(50_119)
    assert (c.watermark, c.arrived_at) == (49_990, 50_119)


def test_event_time_has_run_on_when_a_record_arrives_after_exactly_the_idle_timeout() -> None:
    c = clock()
    assert c.arrive(50_120)
    assert (c.newest, c.watermark, c.arrived_at) == (50_000, 50_090, 50_120)


def test_the_first_record_ends_no_silence() -> None:
    c = EventTimeClock(CONFIG)
    assert not c.arrive(50_000)
    assert (c.watermark, c.arrived_at) == (-1, 50_000)


def test_a_record_stamped_before_the_last_one_does_not_turn_back_the_arrival() -> None:
    c = clock()
    assert not c.arrive(50_000)
    assert c.arrived_at == 50_020


def test_a_silence_is_measured_with_one_clock_only() -> None:
    """Between a record that the broker has stamped and one that it has not, nobody knows how long the silence was."""
    c = clock()
    c.take(60_000)
    assert not c.arrive(70_000)
    assert (c.watermark, c.arrived_at) == (49_990, 70_000)


def test_the_wall_clock_of_the_worker_counts_from_when_it_took_the_last_record() -> None:
    c = clock()
    c.take(50_200)
    assert (c.idle_watermark(50_299), c.idle_watermark(50_300)) == (None, 49_990)


def test_the_wall_clock_moves_live_data_only() -> None:
    oldest_live, too_old = clock(arrived_at=51_000), clock(arrived_at=51_001)
    assert oldest_live.arrive(52_000)
    assert oldest_live.watermark == 50_990
    assert not too_old.arrive(52_001)
    assert too_old.watermark == 49_990


def test_a_partition_that_has_had_records_but_no_event_stays_at_the_start() -> None:
    c = clock(newest=-1, watermark=-1, arrived_at=500)
    assert not c.arrive(800)
    assert c.watermark == -1


def test_there_is_no_idle_watermark_before_the_idle_timeout_is_over() -> None:
    assert clock().idle_watermark(50_119) is None


def test_the_idle_watermark_stays_one_idle_timeout_behind_what_a_record_would_bring_about() -> None:
    c = clock()
    assert c.idle_watermark(51_000) == 50_870
    c.arrive(51_000)
    assert c.watermark == 50_970


def test_there_is_no_idle_watermark_before_the_first_record() -> None:
    assert EventTimeClock(CONFIG).idle_watermark(10**12) is None


def test_asking_for_the_idle_watermark_changes_nothing() -> None:
    c = clock()
    before = c.state()
    c.idle_watermark(60_000)
    assert c.state() == before


def test_the_wall_clock_of_a_watermark_is_the_first_moment_at_which_it_is_reached() -> None:
    c = clock()
    at = c.wall_clock_of(51_001)
    assert at == 51_131
    assert c.idle_watermark(at) == 51_001
    assert c.idle_watermark(at - 1) == 51_000


def test_a_clock_goes_on_from_its_state() -> None:
    c = clock()
    c.arrive(50_030)
    c.observe(50_700, arrival=60_000)
    assert EventTimeClock(CONFIG, c.state()).state() == ClockState(newest=50_700, watermark=50_690, arrived_at=50_030)
