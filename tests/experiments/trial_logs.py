"""Small logs of experiments, and what their users did, computed apart from the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from hypothesis import strategies as st

from mos_online.contracts import Assignment, Fallback, Outcome, OutcomeItem, Session, SessionEvent
from mos_online.experiments.plan import ArmPlan, ExperimentPlan

T = 1_700_000_000_000
MINUTE, DAY = 60_000, 86_400_000
FEEDBACK, GAP = 30 * MINUTE, 10 * MINUTE
SETTLE = FEEDBACK + MINUTE

PLAN = ExperimentPlan(
    name="routing",
    buckets=[[0, 10_000]],
    control="a",
    arms=[ArmPlan(name="a"), ArmPlan(name="b")],
    primary="ctr",
    secondary=["conversion", "revenue", "ndcg", "sessions", "returned"],
    window="2d",
    minimum="2d",
    maximum="10d",
)


def outcome(
    number: int,
    user: str,
    at: int,
    *,
    arm: str = "a",
    clicked: Sequence[int] = (),
    shown: int = 3,
    themes: Sequence[int] = (1, 2, 1),
    fallback: Fallback | None = None,
    shown_by: str = "request",
    items: Sequence[str] = ("x", "y", "z"),
    probability: float = 0.5,
    version: int = 1,
) -> Outcome:
    """An answer to a user of an arm; the clicks at these places name it."""
    found = [
        OutcomeItem(
            item_id=item,
            score=0.5,
            theme=theme,
            position=place if place < shown and shown_by != "nothing" else None,
            clicks=int(place in clicked),
            weight=float(place in clicked),
            first_click_after=5 if place in clicked else None,
        )
        for place, (item, theme) in enumerate(zip(items, themes, strict=True))
    ]
    return Outcome(
        request_id=f"r{number}",
        user_id=user,
        timestamp=at,
        window_end=at + FEEDBACK,
        trigger="request",
        shown_by=shown_by,  # type: ignore[arg-type]
        items=found,
        clicks_by_request=len(clicked),
        clicks_by_item=0,
        candidates=9,
        model_version="m",
        router_version="r",
        fallback=fallback,
        assignments=[Assignment("routing", version, arm, probability)],
    )


def session(
    number: int, user: str, times: Sequence[int], *, bought: float | None = None, named: bool = False
) -> Session:
    """A closed session with views at these times; a purchase of this price at the last."""
    events = [
        SessionEvent(
            event_id=f"e{number}-{place}",
            item_id="x",
            timestamp=time,
            event_type="purchase" if bought is not None and place == len(times) - 1 else "view",
            request_id="r" if named else None,
            context={"price": bought} if bought is not None else None,
        )
        for place, time in enumerate(times)
    ]
    return Session(
        session_id=f"{user}:{times[0]}:{number}",
        user_id=user,
        started_at=times[0],
        ended_at=times[-1],
        events=events,
        close_reason="gap",
        watermark=times[-1] + GAP + 1,
    )


SHARED = Fallback(source="popularity", reason="unknown_user")
_times = st.integers(0, 5 * DAY // (7 * MINUTE)).map(lambda step: T + step * 7 * MINUTE)
_users = st.sampled_from(["u0", "u1", "u2", "u3"])


@st.composite
def logs(draw: st.DrawFn) -> list[Outcome | Session]:
    """Answers and sessions of four users; half of the users are in each arm."""
    found: list[Outcome | Session] = []
    for number in range(draw(st.integers(1, 12))):
        user = draw(_users)
        found.append(
            outcome(
                number,
                user,
                draw(_times),
                arm="ab"[int(user[1]) % 2],
                clicked=draw(st.sets(st.integers(0, 2)).map(sorted)),
                fallback=draw(st.sampled_from([None, None, SHARED])),
                shown_by=draw(st.sampled_from(["request", "request", "nothing"])),
            )
        )
    for number in range(draw(st.integers(0, 12))):
        begin, length = draw(_times), draw(st.integers(1, 4))
        times = [begin + step * 5 * MINUTE for step in range(length)]
        found.append(session(number, draw(_users), times, bought=draw(st.sampled_from([None, 2.5, 7.0]))))
    return found


Told = tuple[str, int, int, int, float, int, float, int, int, bool, float, float]
"""User, exposed at, shown, clicked, NDCG, fallbacks, conversions, value, sessions, returned, and before: sessions and
value, of one finished user; in another order, see below."""


def offline_users(log: Sequence[Outcome | Session], window: int) -> dict[str, dict[str, float]]:
    """What each user of a whole log did, without any state: from the definitions."""
    told = {}
    for user in sorted({record.user_id for record in log}):
        answers = sorted(
            (one for one in log if isinstance(one, Outcome) and one.user_id == user and one.shown_by != "nothing"),
            key=lambda one: (one.window_end, one.request_id),
        )
        first = next((one.timestamp for one in answers if one.fallback is None), None)
        if first is None:
            continue
        exposed = next(number for number, one in enumerate(answers) if one.fallback is None)
        settled = first + window + SETTLE
        inside = [one for one in answers[exposed:] if one.timestamp < first + window and one.window_end <= settled]
        sessions = [one for one in log if isinstance(one, Session) and one.user_id == user]
        later = [one for one in sessions if first < one.watermark <= settled]
        begun = [one.started_at - first for one in later if 0 < one.started_at - first < window]
        events = [event for one in later for event in one.events if first <= event.timestamp < first + window]
        bought = [event.context["price"] for event in events if event.event_type == "purchase" and event.context]
        earlier = [one for one in sessions if one.watermark <= first and one.watermark // DAY >= first // DAY - 14]
        told[user] = {
            "exposed_at": first,
            "answers": len(inside),
            "fallbacks": sum(one.fallback is not None for one in inside),
            "shown": sum(len(one.items) for one in inside),
            "clicked": sum(item.clicks for one in inside for item in one.items),
            "ndcg": sum(_ndcg([item.clicks for item in one.items]) for one in inside),
            "sessions": len(begun),
            "returned": any(since < DAY for since in begun),
            "conversions": len(bought),
            "value": sum(bought),  # type: ignore[arg-type]
            "sessions before": len(earlier),
            "actions before": sum(len(one.events) for one in earlier),
        }
    return told


def _ndcg(clicks: Sequence[int]) -> float:
    gain = sum(label / log2(place + 2) for place, label in enumerate(clicks))
    return (
        gain / sum(label / log2(place + 2) for place, label in enumerate(sorted(clicks, reverse=True))) if gain else 0
    )
