"""What a replay promises, judged by the real sessionizer at the other end of a topic that is a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat, LateEvent, Session, decode_clicks
from mos_online.errors import BrokerError, ContractError, DatasetError, SettingsError
from mos_online.sessions import Rejected, SessionConfig, Sessionizer, offline_sessions
from simulator.faults import Faults
from simulator.partition import partition_of
from simulator.population import SyntheticConfig, synthesize
from simulator.replay import Progress, Replay, ReplayConfig, Speed, WallClock
from simulator.replay.lag import LagGuard, LagLimits

NOW = 1_800_000_000_000
RULES = SessionConfig(lateness=300_000)
LOG = synthesize(SyntheticConfig(users=150, themes=4, items_per_theme=20, days=1, sessions_per_user=2, seed=1))


class Record(msgspec.Struct):
    """A message as a reader finds it."""

    partition: int
    key: bytes | None
    value: bytes | None
    arrived_at: int


class Time:
    """A wall clock that moves only when someone sleeps, and by a microsecond whenever it is read."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        self.seconds += 1e-6
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now_ms(self) -> int:
        return NOW + round((self.seconds - 1000.0) * 1000)

    @property
    def clock(self) -> WallClock:
        return WallClock(monotonic=self.monotonic, sleep=self.sleep, now_ms=self.now_ms)


@dataclass
class Topic:
    """Remembers what was sent."""

    partitions: int = 3
    time: Time = field(default_factory=Time)
    records: list[Record] = field(default_factory=list)
    flushed: bool = False

    def send(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        self.records.append(Record(partition, key, value, self.time.now_ms()))

    def check(self) -> None:
        """Nothing is on its way."""

    def flush(self) -> None:
        self.flushed = True


@dataclass
class Outcome:
    """What a worker makes of the topic."""

    sessions: list[Session] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    dead: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0


def work(topic: Topic, rules: SessionConfig = RULES) -> Outcome:
    workers = [Sessionizer(rules, partition=p) for p in range(topic.partitions)]
    offsets = [0] * topic.partitions
    outcome = Outcome()
    for record in topic.records:
        message: list[Click] | Heartbeat | None = None
        try:
            message = decode_clicks(record.value)
        except ContractError as error:
            outcome.dead[error.reason] += 1
        at = record.partition
        for out in workers[at].process(message, offset=offsets[at], arrived_at=record.arrived_at):
            if isinstance(out, Session):
                outcome.sessions.append(out)
            elif isinstance(out, LateEvent):
                outcome.late.append(out.click.event_id)
            else:
                assert isinstance(out, Rejected)
                outcome.dead[out.reason] += 1
        offsets[at] += 1
    outcome.duplicates = sum(worker.duplicates for worker in workers)
    return outcome


def facts(sessions: list[Session]) -> list[tuple[str, str, list[str]]]:
    return sorted((s.session_id, s.close_reason, [e.event_id for e in s.events]) for s in sessions)


def oracle(replay: Replay, rules: SessionConfig = RULES) -> list[tuple[str, str, list[str]]]:
    frame = offline_sessions(replay.expected, rules)
    return sorted(frame.select("session_id", "close_reason", "event_ids").rows())


def replay(config: ReplayConfig, clicks: pl.DataFrame = LOG.clicks, **options: object) -> tuple[Replay, Topic]:
    topic = Topic()
    run = Replay(clicks, topic, config, sessions=RULES, clock=topic.time.clock, **options)  # type: ignore[arg-type]
    for _ in run.run():
        pass
    return run, topic


def clicks_of(topic: Topic) -> Iterator[Click]:
    for record in topic.records:
        message = decode_clicks(record.value)
        if isinstance(message, list):
            yield from message


def test_sessions_by_the_ids_of_the_publisher_are_those_of_the_oracle() -> None:
    ids = ["phone", "desk", None]
    clicks = LOG.clicks.with_columns(session_id=pl.Series([ids[n % 3] for n in range(len(LOG.clicks))]))
    rules = replace(RULES, publisher_ids=True)
    run, topic = replay(ReplayConfig(speed=Speed.parse("max"), envelope=8), clicks)
    found = facts(work(topic, rules).sessions)
    assert found == oracle(run, rules)
    assert len(found) > len(oracle(run))


shares = st.sampled_from([0.0, 0.02, 0.15])


@st.composite
def configs(draw: st.DrawFn) -> ReplayConfig:
    """Any speed, faults and envelopes that fit into the lateness."""
    disorder = draw(st.sampled_from([0, 20_000, 300_000]))
    faults = Faults(
        malformed=draw(shares),
        duplicated=draw(shares),
        disordered=draw(shares),
        too_late=draw(shares),
        skewed=draw(shares),
        disorder=disorder,
        seed=draw(st.integers(0, 1000)),
    )
    return ReplayConfig(
        speed=Speed.parse(draw(st.sampled_from(["max", "5000x", "100/s"]))),
        envelope=draw(st.sampled_from([1, 2, 50])),
        faults=faults,
    )


@given(configs())
@settings(max_examples=60, deadline=None)
def test_sessions_equal_the_oracle_and_every_fault_ends_where_it_belongs(config: ReplayConfig) -> None:
    run, topic = replay(config)
    outcome = work(topic)
    assert facts(outcome.sessions) == oracle(run)
    injected = run.injected
    assert len(outcome.late) == injected.counts["too_late"]
    assert outcome.dead == injected.dead_letters
    assert outcome.duplicates == injected.counts["duplicate"]
    assert set(outcome.late) <= injected.excluded
    assert injected.excluded == set(LOG.clicks["event_id"]) - set(run.expected["event_id"])
    assert topic.flushed


def test_faults_are_as_many_as_asked_and_the_same_for_the_same_seed() -> None:
    faults = Faults(malformed=0.1, duplicated=0.1, disordered=0.1, too_late=0.1, skewed=0.1, seed=7)
    config = ReplayConfig(speed=Speed.parse("max"), faults=faults)
    (one, first), (_, second) = replay(config), replay(config)
    assert [r.value for r in first.records] == [r.value for r in second.records]
    for count in one.injected.counts.values():
        assert count == pytest.approx(0.1 * len(LOG.clicks), rel=0.35)


def test_without_faults_every_click_is_sent_once_in_order_with_its_category() -> None:
    _, topic = replay(ReplayConfig(speed=Speed.parse("max")), categories=LOG.categories)
    sent = list(clicks_of(topic))
    assert [c.event_id for c in sent] == LOG.clicks["event_id"].to_list()
    assert [c.session_id for c in sent] == LOG.clicks["session_id"].to_list()
    assert all(c.context == {"category": LOG.categories[c.item_id]} for c in sent)
    assert all(r.key is None or r.partition == partition_of(r.key, topic.partitions) for r in topic.records)


def test_envelopes_carry_one_user_and_save_messages() -> None:
    _, single = replay(ReplayConfig(speed=Speed.parse("max")))
    _, packed = replay(ReplayConfig(speed=Speed.parse("max"), envelope=10))
    assert Counter(clicks_of(single)) == Counter(clicks_of(packed))
    assert len(packed.records) < 0.8 * len(single.records)


def test_before_click_sees_what_counts_just_before_it_is_sent() -> None:
    topic, seen = Topic(), list[str]()

    def ask(click: Click) -> None:
        assert click.event_id not in {c.event_id for c in clicks_of(topic)}
        seen.append(click.event_id)

    faults = Faults(disordered=0.3, disorder=20_000)
    config = ReplayConfig(speed=Speed.parse("max"), faults=faults)
    part = LOG.clicks.head(60)
    run = Replay(part, topic, config, sessions=RULES, before_click=ask, clock=topic.time.clock)
    list(run.run())
    assert seen == [c.event_id for c in clicks_of(topic)]
    assert seen != part["event_id"].to_list()
    assert sorted(seen) == sorted(run.expected["event_id"])


def test_real_time_is_multiplied() -> None:
    span = (LOG.clicks["timestamp"][-1] - LOG.clicks["timestamp"][0]) / 1000
    for factor in (100, 5000):
        _, topic = replay(ReplayConfig(speed=Speed.parse(f"{factor}x")))
        clicks = [record for record in topic.records if record.key is not None]
        assert (clicks[-1].arrived_at - clicks[0].arrived_at) / 1000 == pytest.approx(span / factor, rel=0.01)


def test_a_rate_is_kept() -> None:
    _, topic = replay(ReplayConfig(speed=Speed.parse("50/s")))
    clicks = [record for record in topic.records if record.key is not None]
    assert (clicks[-1].arrived_at - NOW) / 1000 == pytest.approx(len(LOG.clicks) / 50, rel=0.01)


def test_quiet_partitions_hear_of_the_time_and_never_too_early() -> None:
    one_user = LOG.clicks.filter(pl.col("user_id") == LOG.clicks["user_id"][0])
    run, topic = replay(ReplayConfig(speed=Speed.parse("600x")), one_user)
    home = partition_of(one_user["user_id"][0].encode(), topic.partitions)
    beats: dict[int, list[int]] = {p: [] for p in range(topic.partitions)}
    open_until = int(one_user["timestamp"][0])
    for record in topic.records:
        message = decode_clicks(record.value)
        if isinstance(message, Heartbeat):
            beats[record.partition].append(message.heartbeat)
        else:
            open_until = message[0].timestamp
            assert open_until >= max(beats[home], default=0)
    assert all(len(beats[p]) > 10 and beats[p] == sorted(set(beats[p])) for p in beats if p != home)
    assert {b[-1] for b in beats.values()} == {run.closing}
    assert run.closing == open_until + RULES.gap + RULES.lateness + 1


@pytest.mark.parametrize("speed", ["1x", "3000x", "max"])
def test_rebased_clicks_are_of_now_and_never_ahead_of_it(speed: str) -> None:
    part = LOG.clicks.head(50)
    run, topic = replay(ReplayConfig(speed=Speed.parse(speed), rebase=True), part)
    ahead = [c.timestamp - record.arrived_at for record, c in zip(topic.records, clicks_of(topic), strict=True)]
    assert max(ahead) <= 5  # a click may be sent 2 ms early
    assert max(ahead) > -1000
    assert run.closing is None
    assert run.expected["timestamp"].diff().drop_nulls().equals(part["timestamp"].diff().drop_nulls())
    assert run.expected["timestamp"].to_list() == [c.timestamp for c in clicks_of(topic)]


def test_young_clicks_get_no_heartbeat_from_the_future() -> None:
    young = LOG.clicks.head(20).with_columns(pl.col("timestamp") + NOW - 1000 - LOG.clicks["timestamp"][19])
    run, topic = replay(ReplayConfig(speed=Speed.parse("max")), young)
    assert run.closing is None
    assert not work(topic).dead


@dataclass
class Readers:
    """A consumer group that reads ``step`` messages per partition whenever it is asked, after some silence."""

    step: int
    silent: int = 0
    at: list[int] = field(default_factory=lambda: [0, 0, 0])
    readers: str = "consumer group g"

    def bounds(self) -> list[tuple[int, int]]:
        return [(0, 0)] * len(self.at)

    def committed(self) -> list[int | None]:
        self.silent -= 1
        if self.silent < 0:
            self.at = [at + self.step for at in self.at]
        return list(self.at)


def guarded(readers: Readers, limits: LagLimits, speed: str) -> tuple[Replay, Topic, list[Progress]]:
    topic = Topic()
    guard = LagGuard(readers, limits, now=topic.time.monotonic())
    config = ReplayConfig(speed=Speed.parse(speed))
    run = Replay(LOG.clicks, topic, config, sessions=RULES, guard=guard, clock=topic.time.clock)
    return run, topic, list(run.run())


@pytest.mark.parametrize("limits", [LagLimits(messages=10), LagLimits(size=2500)])
def test_a_replay_waits_for_its_readers(limits: LagLimits) -> None:
    run, topic, reports = guarded(Readers(step=2), limits, "max")
    assert any(report.waiting for report in reports)
    assert max(report.lag or 0 for report in reports) <= 11
    assert reports[-1].sent == reports[-1].total == len(LOG.clicks)
    assert not reports[-1].waiting
    assert facts(work(topic).sessions) == oracle(run)


def test_after_a_wait_the_rest_is_not_sent_in_a_burst() -> None:
    _, topic, _ = guarded(Readers(step=10_000, silent=60), LagLimits(messages=50), "400/s")
    gaps = [b.arrived_at - a.arrived_at for a, b in pairwise(topic.records)]
    assert max(gaps) > 1000
    per_second = Counter(record.arrived_at // 1000 for record in topic.records)
    assert max(per_second.values()) <= 410


def test_a_replay_gives_up_when_nobody_reads() -> None:
    with pytest.raises(BrokerError, match=r"consumer group g has read nothing for 60 s .* is `mos worker` running"):
        guarded(Readers(step=1, silent=10_000), LagLimits(messages=50), "max")


def test_progress_is_reported_five_times_a_second_and_at_the_end() -> None:
    topic = Topic()
    config = ReplayConfig(speed=Speed.parse("100/s"))
    reports = list(Replay(LOG.clicks, topic, config, sessions=RULES, clock=topic.time.clock).run())
    assert len(reports) == pytest.approx(len(LOG.clicks) / 100 * 5, rel=0.15)
    assert [r.sent for r in reports] == sorted(r.sent for r in reports)
    assert reports[-1].messages == len(topic.records)
    assert reports[5].rate == pytest.approx(100, rel=0.1)
    assert reports[-1].event_time == LOG.clicks["timestamp"][-1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rebase": True, "speed": Speed.parse("0.5x")}, "event time must keep up"),
        ({"rebase": True, "speed": Speed.parse("100/s")}, "event time must keep up"),
        ({"rebase": True, "faults": Faults(too_late=0.1)}, "live traffic has none"),
        ({"envelope": 2, "envelope_span": 301_000}, "MOS_SESSION_LATENESS"),
        ({"faults": Faults(disordered=0.1, disorder=301_000)}, "MOS_SESSION_LATENESS"),
        ({"rebase": True, "faults": Faults(disordered=0.1, disorder=151_000)}, "150000 ms"),
        ({"envelope": 0}, "1 to 1000"),
    ],
)
def test_contradictions_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Replay(LOG.clicks, Topic(), ReplayConfig(**options), sessions=RULES)  # type: ignore[arg-type]


def test_shares_beyond_one_are_refused() -> None:
    with pytest.raises(SettingsError, match="add up to at most 1"):
        Faults(malformed=0.6, too_late=0.6)


def test_unfit_clicks_are_refused() -> None:
    config = ReplayConfig()
    with pytest.raises(DatasetError, match="no clicks"):
        Replay(LOG.clicks.head(0), Topic(), config, sessions=RULES)
    with pytest.raises(DatasetError, match="not in order"):
        Replay(LOG.clicks.reverse(), Topic(), config, sessions=RULES)
    seconds = LOG.clicks.with_columns(pl.col("timestamp") // 1000)
    with pytest.raises(DatasetError, match="seconds, not ms"):
        Replay(seconds, Topic(), config, sessions=RULES)
    future = LOG.clicks.with_columns(pl.col("timestamp") + 10**12)
    with pytest.raises(DatasetError, match="in the future"):
        Replay(future, Topic(), config, sessions=RULES)


@pytest.mark.parametrize("text", ["", "fast", "0x", "x", "10", "-3/s", "5 x"])
def test_unknown_speeds_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="600x"):
        Speed.parse(text)
