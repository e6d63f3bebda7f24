"""The numbers of ``mos validate`` are those that loops over the events give."""

from __future__ import annotations

from collections import Counter, defaultdict

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import Click, LateEvent, Session
from mos_online.sessions import SessionConfig, Sessionizer
from simulator.dataset import DAY_MS, ITEM_COLUMNS, Dataset, numbered
from simulator.validating.facts import YEAR_2000_MS, facts_of
from simulator.validating.order import Order

BEGIN = YEAR_2000_MS - 3 * DAY_MS
RULES = SessionConfig(gap=DAY_MS // 4, lateness=DAY_MS // 10, max_events=4, max_duration=DAY_MS)
FOREVER = BEGIN + 1000 * DAY_MS
KINDS = ("click", "purchase", "impression", "session_end")

moments = st.integers(0, 60).map(lambda steps: BEGIN + steps * DAY_MS // 12)
rows = st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd"), moments, st.sampled_from(KINDS))
logs = st.lists(rows, max_size=40)


def log_of(found: list[tuple[str, str, int, str]], catalogue: list[tuple[str, str | None]]) -> Dataset:
    frame = pl.DataFrame(found, schema=["user_id", "item_id", "timestamp", "event_type"], orient="row").cast(
        {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "event_type": pl.String}
    )
    events = numbered(frame.with_columns(session_id=pl.lit(None, pl.String)).lazy(), "log").drop("row").collect()
    items = pl.DataFrame([(item, None, category) for item, category in catalogue], schema=ITEM_COLUMNS, orient="row")
    return Dataset(name="log", events=events, items=items)


@settings(max_examples=60)
@given(
    logs,
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["jazz", None])),
    st.integers(BEGIN, BEGIN + 5 * DAY_MS),
)
def test_facts_are_those_of_a_loop(
    found: list[tuple[str, str, int, str]], catalogue: dict[str, str | None], now: int
) -> None:
    log = log_of(found, list(catalogue.items()))
    rules = log.session_rules(RULES) if found else RULES
    facts = facts_of(log, rules, now=now)
    times = [at for _, _, at, _ in found]
    acted = [(user, item) for user, item, _, kind in found if kind in ("click", "purchase")]
    assert facts.events == len(found)
    assert facts.types == Counter(kind for *_, kind in found)
    assert facts.repeats == len(found) - len(set(found))
    assert (facts.times.first, facts.times.last) == (min(times, default=0), max(times, default=0))
    assert facts.times.future == sum(at > now for at in times)
    assert facts.times.ancient == sum(at < YEAR_2000_MS for at in times)
    assert facts.times.midnight == sum(at % DAY_MS == 0 for at in times)
    assert facts.items.events == len(acted)
    assert facts.items.seen == len({item for _, item in acted})
    assert facts.items.catalogue == len(catalogue)
    assert facts.items.covered == sum(item in catalogue for _, item in acted)
    assert facts.items.described == sum(catalogue.get(item) is not None for _, item in acted)
    assert facts.items.unseen == len(set(catalogue) - {item for _, item in acted})

    closed = sessions_of(log, rules)
    of_user: dict[str, list[Session]] = defaultdict(list)
    for session in closed:
        of_user[session.user_id].append(session)
    events = Counter({user: sum(len(each.events) for each in those) for user, those in of_user.items()})
    assert facts.sessions.users == len(of_user)
    assert facts.sessions.sessions == len(closed)
    assert facts.sessions.alone == sum(len(those) == 1 for those in of_user.values())
    assert facts.sessions.joint == sum(len({event.item_id for event in each.events}) > 1 for each in closed)
    assert facts.sessions.capped == sum(each.close_reason in ("max_events", "max_duration") for each in closed)
    assert facts.sessions.events == sum(events.values())
    assert facts.sessions.largest_user == min(events.items(), key=lambda each: (-each[1], each[0]), default=("", 0))


def sessions_of(log: Dataset, rules: SessionConfig) -> list[Session]:
    """The sessions that the stream makes of a log."""
    sessionizer = Sessionizer(rules, partition=0)
    out = []
    for offset, row in enumerate(log.events.drop("session_id").iter_rows(named=True)):
        out += sessionizer.process([Click(**row)], offset=offset, arrived_at=FOREVER)
    return [each for each in [*out, *sessionizer.advance(FOREVER)] if isinstance(each, Session)]


@settings(max_examples=60)
@given(st.lists(st.tuples(moments, st.booleans()), max_size=40), st.integers(1, 7))
def test_late_is_what_a_sessionizer_finds_late_however_the_log_is_read(
    found: list[tuple[int, bool]], chunk: int
) -> None:
    """An exposure moves the time, and is never late."""
    sessionizer, late, behind, most = Sessionizer(RULES, partition=0), 0, 0, 0
    order = Order(lateness=RULES.lateness)
    for offset, (at, shown) in enumerate(found):
        click = Click(event_id=str(offset), user_id="u", item_id="i", timestamp=at, event_type=KINDS[2 * shown])
        late += sum(
            isinstance(out, LateEvent) for out in sessionizer.process([click], offset=offset, arrived_at=FOREVER)
        )
        before = max((each for each, _ in found[:offset]), default=at)
        behind += not shown and at < before
        most = max(most, 0 if shown else before - at)
    for first in range(0, len(found), chunk):
        times, exposures = zip(*found[first : first + chunk], strict=True)
        order.take(pl.Series(times, dtype=pl.Int64), counts=~pl.Series(exposures, dtype=pl.Boolean))
    assert (order.late, order.behind, order.most) == (late, behind, most)
    assert order.events == sum(not shown for _, shown in found)
