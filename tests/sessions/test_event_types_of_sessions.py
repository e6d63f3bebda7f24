"""What is in a session and what is not, by the table of event types: the stream, the oracle and training agree."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import Click, Heartbeat, Session, actions_of
from mos_online.sessions import Output, Rejected, SessionConfig, Sessionizer, offline_sessions
from mos_online.training.click_log import with_sessions

RULES = SessionConfig(gap=100, lateness=30, max_events=4, max_duration=250, min_timestamp=0)
NAMES = ("view", "Purchase", "impression", " logout", "like")
ARRIVAL, END = 10**9, 10**6
COLUMNS = ("user_id", "event_id", "item_id", "timestamp", "event_type")

meanings = st.sampled_from(["0", "1", "2.5", "exposure", "end", "reject"])
tables = st.tuples(meanings, meanings, meanings, meanings, st.sampled_from(["1", "exposure", "reject"])).map(
    lambda what: ",".join(f"{name.strip()}:{one}" for name, one in zip([*NAMES[:4], "*"], what, strict=True))
)


@st.composite
def logs(draw: st.DrawFn) -> list[Click]:
    """Clicks of all types, in order, each id once."""
    rows = draw(st.lists(st.tuples(st.integers(0, 130), st.sampled_from("ab"), st.sampled_from(NAMES)), max_size=40))
    now, clicks = 1000, []
    for number, (step, user, kind) in enumerate(rows):
        now += step
        clicks.append(
            Click(event_id=f"e{number:02}", user_id=user, item_id=f"i{number}", timestamp=now, event_type=kind)
        )
    return clicks


def frame_of(clicks: list[Click]) -> pl.DataFrame:
    schema = {name: pl.Int64 if name == "timestamp" else pl.String for name in COLUMNS}
    return pl.DataFrame([[getattr(c, name) for name in COLUMNS] for c in clicks], schema=schema, orient="row")


def of_the_stream(clicks: list[Click], rules: SessionConfig) -> tuple[Sessionizer, list[Output]]:
    sessionizer = Sessionizer(rules, partition=0)
    log: list[list[Click] | Heartbeat] = [*([c] for c in clicks), Heartbeat(heartbeat=END)]
    return sessionizer, [
        made for n, one in enumerate(log) for made in sessionizer.process(one, offset=n, arrived_at=ARRIVAL + n)
    ]


@given(logs(), tables)
def test_stream_oracle_and_training_agree_for_every_table(clicks: list[Click], table: str) -> None:
    rules = replace(RULES, event_types=table)
    sessionizer, out = of_the_stream(clicks, rules)
    sessions = [one for one in out if isinstance(one, Session)]
    oracle = offline_sessions(frame_of(clicks), rules)
    found = {(s.session_id, s.close_reason, tuple(e.event_id for e in s.events)) for s in sessions}
    expected = oracle.select("session_id", "close_reason", "event_ids").iter_rows()
    assert found == {(name, reason, tuple(ids)) for name, reason, ids in expected}

    kinds = {c.event_id: rules.types[c.event_type].kind for c in clicks}
    taken = [e.event_id for s in sessions for e in s.events]
    assert sorted(taken) == sorted(name for name, kind in kinds.items() if kind in ("action", "end"))
    assert sum(isinstance(one, Rejected) for one in out) == sum(kind == "reject" for kind in kinds.values())
    assert sessionizer.types.exposures == sum(kind == "exposure" for kind in kinds.values())
    assert sessionizer.types.undeclared == sum(c.event_type == "like" for c in clicks)

    acted = sorted((s.session_id, e.event_id) for s in sessions for e in actions_of(s))
    learned = with_sessions(frame_of(clicks), rules).select("session_id", "event_id")
    assert acted == sorted(learned.iter_rows())
    assert {kinds[name] for _, name in acted} <= {"action"}


@given(logs(), tables, tables, st.integers(0, 40))
def test_another_table_after_a_restart_loses_no_event_and_repeats_none(
    clicks: list[Click], before: str, after: str, cut: int
) -> None:
    """What was accepted under the old table stays accepted, and is cut by the new one."""
    old, new = (replace(RULES, event_types=table) for table in (before, after))
    cut = min(cut, len(clicks))
    first = Sessionizer(old, partition=0)
    out = [made for n in range(cut) for made in first.process([clicks[n]], offset=n, arrived_at=ARRIVAL + n)]
    checkpoint = first.checkpoint().under(new, log_end=cut)
    second = Sessionizer(checkpoint, partition=0)
    for n in range(checkpoint.start.offset, len(clicks)):
        out += second.process([clicks[n]], offset=n, arrived_at=ARRIVAL + n)
    second.resume()
    out += second.process(Heartbeat(heartbeat=END), offset=len(clicks), arrived_at=ARRIVAL + len(clicks))
    taken = [e.event_id for one in out if isinstance(one, Session) for e in one.events]
    in_force = [(c, old.types if n < cut else new.types) for n, c in enumerate(clicks)]
    assert sorted(taken) == sorted(c.event_id for c, types in in_force if types[c.event_type].kind in ("action", "end"))


def test_an_exposure_moves_the_clock_and_is_no_event_of_its_user() -> None:
    clicks = [
        Click(event_id="a", user_id="u", item_id="i", timestamp=1000),
        Click(event_id="a", user_id="u", item_id="i", timestamp=1090, event_type="impression"),
        Click(event_id="b", user_id="u", item_id="i", timestamp=1150),
        Click(event_id="c", user_id="v", item_id="i", timestamp=2000, event_type="IMPRESSION"),
        Click(event_id="d", user_id="v", item_id="i", timestamp=1, event_type="impression"),
    ]
    _, out = of_the_stream(clicks[:2] + clicks[3:], RULES)
    assert [one.session_id for one in out if isinstance(one, Session)] == ["u:1000:a"]
    assert len(out) == 1  # the late impression is no late event
    _, apart = of_the_stream(clicks[:3], RULES)  # the impression between them fills no pause
    assert [one.session_id for one in apart if isinstance(one, Session)] == ["u:1000:a", "u:1150:b"]


def test_an_exposure_from_the_future_is_refused_and_moves_nothing() -> None:
    sessionizer = Sessionizer(SessionConfig(), partition=0)
    now = 1_760_000_000_000
    click = Click(event_id="a", user_id="u", item_id="i", timestamp=now + 10**9, event_type="impression")
    (refused,) = sessionizer.process([click], offset=0, arrived_at=now)
    assert isinstance(refused, Rejected)
    assert refused.reason == "future_timestamp"
    assert sessionizer.watermark < 0
