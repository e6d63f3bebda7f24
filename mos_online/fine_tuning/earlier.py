"""What users did before the learner began to keep sessions: their profiles know it, as the service does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mos_online.contracts import Context, EventTypes, Session, SessionEvent, actions_of
from mos_online.users.kept_sessions import KeptSession, kept_sessions
from mos_online.users.profile import UserProfile, session_key


def earlier_sessions(
    profiles: Iterable[UserProfile], sessions: Sequence[Session], types: EventTypes, *, events: int
) -> list[Session]:
    """Sessions of profiles that closed before the first kept one of the same user.

    Without them a user who comes back would look like a new one, to the candidate and to the gate. What learns so
    little of the past is promoted by a comparison that has no past either, and then serves users who have one.

    Args:
        profiles: of users of the kept sessions, as they are now.
        sessions: what the learner has kept.
        types: what the types of events mean.
        events: no further profile is read after so many events.

    Returns:
        Sessions with the items, times and categories of the profiles. Other ids are made up, and the type of the events
        is one that counts as an action in the kept sessions; none if there is no such type.
    """
    first: dict[str, int] = {}
    for session in sessions:
        first[session.user_id] = min(session.watermark, first.get(session.user_id, session.watermark))
    known = {session_key(session.session_id) for session in sessions}
    spellings = {event.event_type for session in sessions for event in actions_of(session)}
    actions = sorted(types.of_kind(spellings, "action"))
    found: list[Session] = []
    count = 0
    for profile in profiles if actions else ():
        if count >= events:
            break
        begin = first.get(profile.user_id, -1)
        of_user = [
            _session(profile.user_id, one, actions[0])
            for one in kept_sessions(profile)
            if one.closes < begin and one.key not in known
        ]
        count += sum(len(one.events) for one in of_user)
        found += of_user
    return found


def _session(user_id: str, kept: KeptSession, event_type: str) -> Session:
    """A session of a profile as the stream would have closed it."""
    events = [
        SessionEvent(
            event_id=f"{kept.key}-{number}",
            item_id=item,
            timestamp=time,
            event_type=event_type,
            context=_context(category),
        )
        for number, (item, time, category) in enumerate(zip(kept.items, kept.times, kept.categories, strict=True))
    ]
    return Session(
        session_id=f"{user_id}:{kept.key}",
        user_id=user_id,
        started_at=kept.times[0],
        ended_at=kept.times[-1],
        events=events,
        close_reason="gap",
        watermark=kept.closes,
    )


def _context(category: str | None) -> Context | None:
    return None if category is None else {"category": category}
