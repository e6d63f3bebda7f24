"""Sessions and outcomes for the tests of the learner."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.contracts import Outcome, OutcomeItem, Session, SessionEvent


def session(
    user: str, number: int, *, closed_at: int, items: Sequence[str] = ("a", "b"), category: str | None = None
) -> Session:
    """A session that could close at ``closed_at``; its events are a millisecond apart."""
    begun = closed_at - len(items)
    context = {"category": category} if category else None
    events = [
        SessionEvent(
            event_id=f"{number}-{place}",
            item_id=item,
            timestamp=begun + place,
            event_type="view",
            context=context,  # type: ignore[arg-type]
        )
        for place, item in enumerate(items)
    ]
    return Session(
        session_id=f"{user}:{begun}:{number}",
        user_id=user,
        started_at=events[0].timestamp,
        ended_at=events[-1].timestamp,
        events=events,
        close_reason="gap",
        watermark=closed_at,
    )


def outcome(
    request: str, user: str, *, closed_at: int, items: Sequence[str] = ("a", "b"), clicked: str = ""
) -> Outcome:
    """An outcome whose window ended at ``closed_at``."""
    return Outcome(
        request_id=request,
        user_id=user,
        timestamp=max(0, closed_at - 1000),
        window_end=closed_at,
        trigger="request",
        shown_by="request",
        items=[
            OutcomeItem(
                item_id=item,
                score=0.5,
                theme=1,
                position=place,
                clicks=int(item == clicked),
                weight=float(item == clicked),
                first_click_after=5 if item == clicked else None,
            )
            for place, item in enumerate(items)
        ],
        clicks_by_request=int(bool(clicked)),
        clicks_by_item=0,
        candidates=9,
        model_version="m",
        router_version="r",
        fallback=None,
    )
