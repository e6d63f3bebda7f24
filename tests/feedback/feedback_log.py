"""Random decisions, impressions and clicks of a partition, and how to give them to a joiner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from mos_online.contracts import AcceptedClick, AcceptedClicks, Decision, Impression, Outcome, RankedItem
from mos_online.feedback.joiner import Joiner
from mos_online.feedback.rules import JoinRules

RULES = JoinRules(window=100, lateness=20)
START = 1_000
END = START + 400
ITEMS = "abcd"
USERS = "uv"
Event = Decision | Impression | AcceptedClick


def decision(
    request_id: str, timestamp: int, *, user: str = "u", items: Iterable[str] = "ab", trigger: str = "request"
) -> Decision:
    return Decision(
        request_id=request_id,
        user_id=user,
        timestamp=timestamp,
        trigger=trigger,  # type: ignore[arg-type]
        items=[RankedItem(item_id=item, score=0.5, theme=1) for item in items],
        candidates=9,
        model_version="m",
        router_version="r",
        fallback=None,
    )


def impression(
    event_id: str, request_id: str, timestamp: int, items: str, *, user: str = "u", first: int = 0
) -> Impression:
    return Impression(
        event_id=event_id,
        user_id=user,
        request_id=request_id,
        item_ids=list(items),
        first_position=first,
        timestamp=timestamp,
    )


def click(position: int, timestamp: int, item: str, request_id: str | None = None, *, user: str = "u") -> AcceptedClick:
    return AcceptedClick(position, timestamp, 1.0, user, item, None, request_id)


@dataclass(frozen=True, kw_only=True)
class Log:
    """Events in the order of arrival, of all three inputs together."""

    events: list[Event]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


times = st.integers(START, END)
users = st.sampled_from(USERS)
requests = st.sampled_from([f"r{number}" for number in range(6)])
lists = st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3, unique=True).map("".join)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Events, with repeats, in an order in which none of an input is later than the lateness allows."""
    triggers = st.sampled_from(["request", "request", "session_closed", "test"])
    made: dict[tuple[str, str], Decision] = {}
    for _ in range(draw(st.integers(0, 8))):
        one = decision(draw(requests), draw(times), user=draw(users), items=draw(lists), trigger=draw(triggers))
        made.setdefault((one.user_id, one.request_id), one)
    events: list[Event] = list(made.values())
    for number in range(draw(st.integers(0, 6))):
        shown = (draw(requests), draw(times), draw(lists))
        events.append(impression(f"s{number}", *shown, user=draw(users), first=draw(st.integers(0, 2))))
    for number in range(draw(st.integers(0, 10))):
        named = draw(st.none() | requests)
        events.append(click(number, draw(times), draw(st.sampled_from(ITEMS)), named, user=draw(users)))
    events += draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    delays = [draw(st.integers(0, RULES.lateness)) for _ in events]
    order = sorted(range(len(events)), key=lambda n: (events[n].timestamp + delays[n], n))
    ordered = [events[n] for n in order]
    clicks = dict.fromkeys(event for event in ordered if isinstance(event, AcceptedClick))
    places = {one: one._replace(position=place) for place, one in enumerate(clicks)}
    return Log(events=[places[one] if isinstance(one, AcceptedClick) else one for one in ordered])


def give(joiner: Joiner, event: Event, offset: int) -> None:
    if isinstance(event, Decision):
        joiner.take_decision(event, offset)
    elif isinstance(event, Impression):
        joiner.take_impression(event, offset)
    else:
        joiner.take_clicks(AcceptedClicks.of("log", [event]), offset)


Row = tuple[str, str, int, str, int | None, str, int]


def rows(outcomes: list[Outcome]) -> list[Row]:
    """As ``offline_outcomes`` gives them, without the clicks that name the decision."""
    found = [
        (one.user_id, one.request_id, rank, item.item_id, item.position, one.shown_by, item.clicks)
        for one in outcomes
        for rank, item in enumerate(one.items)
    ]
    return sorted(found, key=lambda row: row[:3])
