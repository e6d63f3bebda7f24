"""Fills the online store with profiles made from a log, beside workers that write the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from features.store import BATCH, OnlineStore
from mos_online.users.merge import merge_profiles
from mos_online.users.profile import UserProfile
from mos_online.users.ring_sizes import RingSizes
from mos_online.users.view import SessionRouter


def fill(
    store: OnlineStore,
    profiles: Iterable[UserProfile],
    router: SessionRouter,
    sizes: RingSizes,
    *,
    advance: Callable[[int], object],
) -> int:
    """Merge profiles into those of the store, `features.store.BATCH` at a time.

    A session that a stored profile has is not added again, and none of it is lost. A row that cannot be read is set
    aside and replaced.

    Args:
        store: the store to write to.
        profiles: any number of them, each of another user; an iterator is read while they are written.
        router: the router in service.
        sizes: how many events have to be covered.
        advance: called after each batch with the number of its profiles.

    Returns:
        How many rows were written; to the others there was nothing to add.

    Raises:
        StoreError: the store cannot be written. Running it again does no harm.
    """
    written = 0
    coming = iter(profiles)
    while batch := list(islice(coming, BATCH)):
        waiting = {profile.user_id: profile for profile in batch}
        while waiting:
            stored = _read(store, list(waiting))
            merged = {
                user: merge_profiles(stored[user], profile, router, sizes) if user in stored else profile
                for user, profile in waiting.items()
            }
            grown = [profile for user, profile in merged.items() if profile is not stored.get(user)]
            lost = store.write_profiles(grown, over=stored)
            written += len(grown) - len(lost)
            waiting = {user: waiting[user] for user in lost}
        advance(len(batch))
    return written


def _read(store: OnlineStore, users: list[str]) -> dict[str, UserProfile]:
    damaged: list[str] = []
    found = store.read_profiles(users, on_damaged=lambda user, _: damaged.append(user))
    if damaged:
        store.set_aside_profiles(damaged)
    return found
