"""A user's profile: bytes as stored, and the time to update it and to read it, whatever the history.

Run: python benchmarks/profile_state.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from random import Random
from typing import Any

from feast.protos.feast.types.Value_pb2 import Value
from random_router import random_router

from features.rows import profile_of, profile_row
from mos_online.contracts import Session, SessionEvent
from mos_online.recommend.history import history_of
from mos_online.recommend.query import Query
from mos_online.themes import Router
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.update import apply_session
from mos_online.users.view import view_by

THEMES, ITEMS, CATEGORIES = 12, 20_000, 40
NAMES = [f"item-{number:06}" for number in range(ITEMS)]
ROWS = {name: row for row, name in enumerate(NAMES, 1)}
SIZES = RingSizes()
LATER = 2_000_000_000_000
REPEATS = 300


def history(events: int, longest: int) -> list[Session]:
    """Sessions of one user, each of one theme: of 1 to ``longest`` events, long ones seldom if 8, always 500 if 500."""
    random = Random(events)
    sessions, left, now = [], events, 1_500_000_000_000
    while left > 0:
        length = min(left, longest if longest == 500 else 1 + min(int(random.expovariate(1 / 3)), longest - 1))
        theme, now = random.randrange(THEMES), now + 3_600_000
        happened = [
            SessionEvent(
                event_id=f"{now}-{number}",
                item_id=NAMES[random.randrange(ITEMS // THEMES) * THEMES + theme],
                timestamp=now + 10_000 * number,
                context={"category": f"category-{random.randrange(CATEGORIES)}"},
            )
            for number in range(length)
        ]
        now = happened[-1].timestamp
        sessions.append(
            Session(
                session_id=f"user:{happened[0].timestamp}:{happened[0].event_id}",
                user_id="user",
                started_at=happened[0].timestamp,
                ended_at=now,
                events=happened,
                close_reason="gap",
                watermark=now + 1_800_001,
            )
        )
        left -= length
    return sessions


def row_bytes(profile: UserProfile) -> int:
    """Bytes of all features."""
    return sum(value.ByteSize() for value in profile_row(profile)[1].values())


def ring_bytes(profile: UserProfile, router: Router) -> int:
    """What the events took before: the last ones, and those of each theme once more, without categories and borders."""
    view = view_by(profile, router, SIZES)
    total = 0
    for kept in (view.recent, *view.rings.values()):
        items: Any = {"val": [profile.item_ids[n] for n in kept]}
        times: Any = {"val": [profile.timestamps[n] for n in kept]}
        total += Value(string_list_val=items).ByteSize() + Value(int64_list_val=times).ByteSize()
    rest = profile_row(profile)[1]
    same = ("embedding", "theme_weights", "router_epoch", "last_session_id", "theme_ids", "theme_session_counts")
    return total + sum(int(rest[name].ByteSize()) for name in same)


def microseconds(work: Callable[[], object]) -> str:
    """Median of ``REPEATS`` calls, in processor time of this thread."""
    taken = []
    for _ in range(REPEATS):
        started = time.thread_time_ns()
        work()
        taken.append(time.thread_time_ns() - started)
    return f"{statistics.median(taken) / 1000:.0f}"


def line(events: int, longest: int, router: Router, other: Router) -> str:
    """A row of the table."""
    sessions = history(events, longest)
    profile = before = UserProfile(user_id="user")
    for session in sessions:
        before = profile
        profile = apply_session(profile, session, router.route(session), router, SIZES)
    last, routed = sessions[-1], router.route(sessions[-1])
    _, values, _, _ = profile_row(profile)
    query = Query(user_id="user", profile=profile, events=[], timestamp=LATER, k=10, exclude=[])
    cells = [
        f"{events:,}",
        f"{len(sessions):,}",
        f"{len(profile.session_lengths)}",
        f"{len(profile.item_ids):,}",
        f"{row_bytes(profile):,}",
        f"{ring_bytes(profile, router):,}",
        microseconds(lambda: apply_session(before, last, routed, router, SIZES)),
        microseconds(lambda: profile_row(profile)),
        microseconds(lambda: profile_of("user", values)),
        microseconds(lambda: other.session_themes(profile.item_ids, profile.categories, profile.session_lengths)),
        microseconds(lambda: history_of(query, router=router, sizes=SIZES, rows=ROWS)),
        microseconds(lambda: history_of(query, router=other, sizes=SIZES, rows=ROWS)),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    router = random_router(NAMES, themes=THEMES, seed=0)
    other = random_router(NAMES, themes=THEMES, seed=1)
    print(f"{THEMES} themes, {SIZES.recent} recent events, {SIZES.theme} of a theme, ids of 11 characters; times in µs")
    for title, longest in (("Sessions of 1 to 8 events", 8), ("Sessions of 500 events, the longest allowed", 500)):
        print(f"\n**{title}**\n")
        print(
            "| events | sessions | sessions kept | events kept | bytes stored | bytes as rings of one router | update "
            "| to a row | from a row | routing at read | history, same router | history, another router |"
        )
        print("|---:" * 12 + "|")
        for events in (100, 1000, 10_000, 100_000):
            print(line(events, longest, router, other), flush=True)


if __name__ == "__main__":
    main()
