"""From a profile and an open session to what the model reads of a user; equal to what it read in training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mos_online.contracts import SessionEvent
from mos_online.model.batch import History
from mos_online.recommend.query import Query
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.view import SessionRouter, view_by

NOBODY = UserProfile(user_id="")


def history_of(
    query: Query,
    *,
    router: SessionRouter,
    sizes: RingSizes,
    rows: Mapping[str, int],
    own_router: bool = False,
    delay_ms: int = 0,
) -> History:
    """The profile's rings as the router sees them, and the open session's events behind the recent ones.

    Args:
        query: the user and the moment.
        router: the router of the model; a profile of another epoch is routed here and now.
        sizes: of the model.
        rows: item -> row of the model; other items become 0.
        own_router: whether this router routes all sessions, those of a profile of its epoch, too.
        delay_ms: how long after the moment of the query the user is expected.
    """
    profile = query.profile or NOBODY
    view = view_by(profile, router, sizes, own_router=own_router)
    acted = [e for e in query.events if not _is_closed(e, profile, sizes.recent)]
    acted.sort(key=lambda event: event.timestamp)
    names = profile.item_ids + [event.item_id for event in acted]
    times = profile.timestamps + [event.timestamp for event in acted]
    opened = np.arange(len(profile.item_ids), len(names))
    recent = np.concatenate([view.recent, opened])[-sizes.recent :]
    read = np.concatenate([recent, *view.rings.values()]).tolist()
    read_items = np.array([rows.get(names[at], 0) for at in read], np.int64)
    read_times = np.array([times[at] for at in read], np.int64)
    rings, begin = {}, len(recent)
    for theme, ring in view.rings.items():
        end = begin + len(ring)
        rings[theme] = read_items[begin:end], read_times[begin:end]
        begin = end
    return History(
        items=read_items[: len(recent)],
        times=read_times[: len(recent)],
        now=query.timestamp + delay_ms,
        rings=rings,
        theme_sessions=view.theme_sessions,
    )


def _is_closed(event: SessionEvent, profile: UserProfile, recent: int) -> bool:
    """Whether an event that the caller believes open is in a session that has been closed since."""
    if event.timestamp > profile.last_ended_at:
        return False
    times = profile.timestamps[-recent:]
    if not times or event.timestamp <= times[0]:
        return True  # so old that its session may not have been kept
    return (event.item_id, event.timestamp) in zip(profile.item_ids[-recent:], times, strict=True)
