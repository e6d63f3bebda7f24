"""What holds of profiles whatever the log: from clicks through the sessionizer, the update and the store's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from features.rows import profile_of, profile_row
from mos_online.contracts import SESSION_END, Click, Heartbeat, Session, SessionEvent
from mos_online.sessions import SessionConfig, Sessionizer
from mos_online.themes import Routed, Router
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_sessions
from mos_online.users.view import SessionRouter, view_by

RULES = SessionConfig(gap=100, lateness=60, max_events=5, max_duration=400, min_timestamp=0)
SIZES = RingSizes(recent=6, theme=4)
ITEMS = ["a1", "a2", "b1", "b2", "c1", "c2", "young", "nowhere"]
CATEGORY = {item: item[0] for item in ITEMS[:6]} | {"young": "b"}
FAR = 10**9

Profiles = dict[str, UserProfile]


def router(groups: str, known: Sequence[str]) -> Router:
    """One theme for each group of items, in this order."""
    axes = {group: row for row, group in enumerate(groups)}
    unit = np.eye(len(groups), dtype=np.float32)
    items = [item for item in known if item[0] in axes]
    return Router(
        items=items,
        table=unit[[axes[item[0]] for item in items]],
        prototypes=unit,
        category_rows=list(groups),
        category_table=unit,
        categories={},
        tau=0.6,
        labels=["unrouted", *groups],
        config={},
    )


OLD = router("ab", ["a1", "b1"])
NEW = router("cab", ITEMS[:6])
NARROW = router("b", ["b1", "b2"])


@st.composite
def logs(draw: st.DrawFn) -> list[Click]:
    """Clicks of three users in order of time, with pauses up to beyond the gap, and logouts."""
    step = st.integers(0, 40) | st.integers(90, 250)
    rows = draw(st.lists(st.tuples(step, st.sampled_from("uvw"), st.sampled_from([*ITEMS, SESSION_END])), max_size=60))
    clicks, now = [], 1000
    for number, (after, user, item) in enumerate(rows):
        now += after
        category = CATEGORY.get(item)
        clicks.append(
            Click(
                user_id=user,
                event_id=f"e{number:03}",
                item_id=item,
                timestamp=now,
                event_type=item if item == SESSION_END else "click",
                context={"category": category} if category and number % 4 else None,
            )
        )
    return clicks


def closed(clicks: Iterable[Click]) -> list[Session]:
    """The sessions of a log, as they are published."""
    return fed(Sessionizer(RULES, partition=0), [*([click] for click in clicks), Heartbeat(heartbeat=FAR)], start=0)


def fed(sessionizer: Sessionizer, messages: Sequence[list[Click] | Heartbeat], *, start: int) -> list[Session]:
    """What a sessionizer closes while it reads these messages; ``start`` is the offset of the first."""
    sessions: list[Session] = []
    for offset, message in enumerate(messages, start):
        for made in sessionizer.process(message, offset=offset, arrived_at=FAR):
            assert isinstance(made, Session)
            sessions.append(made)
    return sessions


def stored(profile: UserProfile) -> UserProfile:
    """Written and read back."""
    return profile_of(profile.user_id, profile_row(profile)[1])


def applied(
    sessions: Iterable[Session], by: Router = OLD, profiles: Profiles | None = None, batch: int = 1
) -> Profiles:
    """The store's content after these sessions."""
    held, waiting = dict(profiles or {}), list(sessions)
    for start in range(0, len(waiting), batch):
        changed, _ = apply_sessions(waiting[start : start + batch], held, by, SIZES)
        held |= {user: stored(profile) for user, profile in changed.items()}
    return held


Ring = list[tuple[str, int]]


def events_of(session: Session) -> Ring:
    return [(e.item_id, e.timestamp) for e in session.events if e.event_type != SESSION_END]


def rings_by_definition(sessions: Iterable[Session], by: Router) -> tuple[Ring, dict[int, Ring], dict[int, int]]:
    """The rings of a whole history, written down as they are defined."""
    recent: Ring = []
    themes: dict[int, Ring] = {}
    counts: Counter[int] = Counter()
    for session in sessions:
        theme = by.route(session).theme
        counts[theme] += 1
        recent += events_of(session)
        if theme:
            themes.setdefault(theme, []).extend(events_of(session))
    rings = {theme: ring[-SIZES.theme :] for theme, ring in themes.items()}
    return recent[-SIZES.recent :], rings, dict(counts)


def rings_seen(profile: UserProfile, by: SessionRouter) -> tuple[Ring, dict[int, Ring], dict[int, int]]:
    """The rings that a reader with this router has."""
    view = view_by(profile, by, SIZES)
    events = list(zip(profile.item_ids, profile.timestamps, strict=True))
    rings = {theme: [events[n] for n in ring] for theme, ring in view.rings.items()}
    return [events[n] for n in view.recent], rings, view.theme_sessions


def kept_as_sessions(profile: UserProfile) -> list[Session]:
    """The kept sessions as sessions again, for any router to route."""
    sessions, begin = [], 0
    for length in profile.session_lengths:
        at = range(begin, begin + length)
        events = [
            SessionEvent(
                event_id=f"k{n}",
                item_id=profile.item_ids[n],
                timestamp=profile.timestamps[n],
                context={"category": name} if (name := profile.categories[n]) is not None else None,
            )
            for n in at
        ]
        sessions.append(
            Session(
                session_id=f"k{begin}",
                user_id=profile.user_id,
                started_at=events[0].timestamp,
                ended_at=events[-1].timestamp,
                events=events,
                close_reason="gap",
                watermark=events[-1].timestamp,
            )
        )
        begin += length
    return sessions


@given(logs())
@hypothesis_settings(deadline=None)
def test_i1_rings_are_those_of_the_whole_history(clicks: list[Click]) -> None:
    sessions = closed(clicks)
    for user, profile in applied(sessions).items():
        theirs = [session for session in sessions if session.user_id == user]
        assert rings_seen(profile, OLD) == rings_by_definition(theirs, OLD)
        assert profile.session_count == len(theirs)
        assert profile.last_ended_at == max(session.ended_at for session in theirs)


@given(logs(), logs(), st.integers(0, 60))
@hypothesis_settings(deadline=None)
def test_i2_what_comes_later_changes_nothing(clicks: list[Click], later: list[Click], cut: int) -> None:
    past = clicks[:cut]
    now = past[-1].timestamp if past else 1000
    moved = [
        msgspec.structs.replace(click, timestamp=click.timestamp + now, event_id=f"later{click.event_id}")
        for click in later
    ]
    one, other = Sessionizer(RULES, partition=0), Sessionizer(RULES, partition=0)
    before = fed(one, [[click] for click in past], start=0)
    assert fed(other, [[click] for click in past], start=0) == before
    held = applied(before)
    written = {user: msgspec.json.encode(profile) for user, profile in held.items()}
    for machine, future in ((one, clicks[cut:]), (other, moved)):
        applied(fed(machine, [[click] for click in future], start=cut), NEW, held)
        assert {user: msgspec.json.encode(profile) for user, profile in held.items()} == written


@given(logs(), st.integers(2, 9))
@hypothesis_settings(deadline=None)
def test_i3_a_profile_does_not_depend_on_the_batch(clicks: list[Click], batch: int) -> None:
    assert applied(closed(clicks), batch=batch) == applied(closed(clicks))


@given(logs(), st.randoms(use_true_random=False))
@hypothesis_settings(deadline=None)
def test_i4_whatever_is_delivered_again_changes_nothing(clicks: list[Click], random: Random) -> None:
    again: list[Click] = []
    newest = 0
    for click in clicks:
        newest = max(newest, click.timestamp)
        again.append(click)
        may_come_again = [one for one in again if one.timestamp >= newest - RULES.lateness]
        again += random.sample(may_come_again, random.randint(0, len(may_come_again)))
    sessions = closed(again)
    assert sessions == closed(clicks)
    repeated: list[Session] = []
    for number, session in enumerate(sessions):
        repeated += [session, *sessions[random.randint(0, number) : number + 1]]
    assert applied(repeated, batch=random.randint(1, 5)) == applied(sessions)


@given(logs(), st.randoms(use_true_random=False))
@hypothesis_settings(deadline=None)
def test_i5_disorder_within_the_lateness_changes_nothing(clicks: list[Click], random: Random) -> None:
    late = sorted(clicks, key=lambda click: click.timestamp + random.randint(0, RULES.lateness))
    assert applied(closed(late)) == applied(closed(clicks))


@given(logs(), st.randoms(use_true_random=False))
@hypothesis_settings(deadline=None, max_examples=50)
def test_i6_a_crash_at_any_point_changes_nothing(clicks: list[Click], random: Random) -> None:
    messages: list[list[Click] | Heartbeat] = [*([click] for click in clicks), Heartbeat(heartbeat=FAR)]
    whole = applied(closed(clicks))
    for cut in range(len(messages)):
        first = Sessionizer(RULES, partition=0)
        made = fed(first, messages[:cut], start=0)
        snapshot = first.checkpoint()
        acknowledged = random.randint(0, len(made))  # the profiler had written more than it had acknowledged
        second, start = Sessionizer(snapshot, partition=0), snapshot.start.offset
        rest = fed(second, messages[start:], start=start)
        assert applied([*made[acknowledged:], *rest], profiles=applied(made), batch=3) == whole


@given(logs(), st.lists(st.booleans(), max_size=60))
@hypothesis_settings(deadline=None)
def test_i7_routers_share_a_profile_and_see_their_own_themes(clicks: list[Click], turns: list[bool]) -> None:
    held: Profiles = {}
    for number, session in enumerate(closed(clicks)):
        writer = NEW if number < len(turns) and turns[number] else OLD
        before = held.get(session.user_id)
        held = applied([session], writer, held)
        profile = held[session.user_id]
        kept = kept_as_sessions(profile)
        written = msgspec.json.encode(profile)
        assert profile.session_themes == [writer.route(one).theme for one in kept]
        for reader in (OLD, NEW, NARROW):
            recent, rings, counts = rings_seen(profile, reader)
            expected = rings_by_definition(kept, reader)
            assert (recent, rings) == expected[:2]
            if reader is not writer:
                assert counts == expected[2]
        assert msgspec.json.encode(profile) == written
        if before is not None and before.router_epoch != writer.epoch:
            assert sum(profile.theme_sessions.values()) == len(before.session_lengths) + 1
    for user, profile in held.items():
        theirs = [session for session in closed(clicks) if session.user_id == user]
        assert rings_seen(profile, NARROW)[0] == rings_by_definition(theirs, NARROW)[0]  # exact under any router


def test_i7_a_new_router_is_live_at_once_for_who_does_not_come_back() -> None:
    clicks = [
        Click(user_id="u", event_id=f"e{n}", item_id=item, timestamp=1000 + 200 * n)
        for n, item in enumerate(["c1", "a1", "c2"])
    ]
    (profile,) = applied(closed(clicks)).values()
    assert rings_seen(profile, OLD)[1] == {1: [("a1", 1200)]}
    assert rings_seen(profile, NEW)[1] == {1: [("c1", 1000), ("c2", 1400)], 2: [("a1", 1200)]}


class Counting:
    """A router that counts what it is asked to route."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.version, self.epoch = router.version, router.epoch
        self.routed = 0

    def at(self, _: int) -> Counting:
        return self

    def route(self, session: Session) -> Routed:
        self.routed += len(session.events)
        return self.router.route(session)

    def session_themes(
        self, item_ids: Sequence[str], categories: Sequence[str | None], lengths: Sequence[int]
    ) -> list[int]:
        self.routed += len(item_ids)
        return self.router.session_themes(item_ids, categories, lengths)


def history(sessions: int, longest: int) -> list[Session]:
    random = Random(sessions)
    made = []
    for number in range(sessions):
        group = random.choice("abcn")
        names = [item for item in ITEMS if item[0] == group]
        events = [
            SessionEvent(event_id=f"e{n}", item_id=random.choice(names), timestamp=10_000 * number + n)
            for n in range(random.randint(1, longest))
        ]
        made.append(
            Session(
                session_id=f"s{number:06}",
                user_id="u",
                started_at=events[0].timestamp,
                ended_at=events[-1].timestamp,
                events=events,
                close_reason="gap",
                watermark=events[-1].timestamp + 1,
            )
        )
    return made


def row_bytes(profile: UserProfile) -> int:
    return sum(value.ByteSize() for value in profile_row(profile)[1].values())


@pytest.mark.parametrize("longest", [1, 6, 40])
def test_i8_bytes_and_work_have_a_bound_that_no_history_exceeds(longest: int) -> None:
    most = SIZES.recent - 1 + longest + (NEW.n_themes + 1) * (SIZES.theme - 1 + longest)
    sizes: dict[int, float] = {}
    for count in (100, 1000, 10_000):
        profiles: Profiles = {}
        bytes_of_rows: list[int] = []
        for number, session in enumerate(history(count, longest)):
            writer = Counting(NEW)
            profiles, _ = apply_sessions([session], profiles, writer, SIZES)
            assert writer.routed == len(session.events)  # nothing is routed again
            assert len(profiles["u"].item_ids) <= most
            if number % 10 == 0:
                bytes_of_rows.append(row_bytes(profiles["u"]))
        reader = Counting(OLD)
        view_by(profiles["u"], reader, SIZES)
        assert reader.routed == len(profiles["u"].item_ids) <= most
        sizes[count] = float(np.mean(bytes_of_rows[len(bytes_of_rows) // 2 :]))
    assert sizes[10_000] < 1.1 * sizes[1000] + 40  # counts and times get some digits longer
