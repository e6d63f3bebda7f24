"""Fills the online store with profiles made offline (`mos_online.users.offline_profiles`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from features.store import BATCH, OnlineStore
from mos_online.users.profile import UserProfile


def fill(store: OnlineStore, profiles: Iterable[UserProfile], *, advance: Callable[[int], object]) -> int:
    """Write profiles, `features.store.BATCH` at a time.

    Args:
        store: the store to write to; a newer profile that it already holds stays.
        profiles: any number of them; an iterator is read while they are written.
        advance: called after each batch with the number of its profiles.

    Returns:
        How many rows were written; the rest were older than what the store holds.

    Raises:
        StoreError: the store cannot be written. Running it again does no harm.
    """
    written = 0
    coming = iter(profiles)
    while batch := list(islice(coming, BATCH)):
        written += store.write_profiles(batch)
        advance(len(batch))
    return written
