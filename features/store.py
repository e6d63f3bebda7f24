"""Our port to Feast's online store: profiles and item popularity, written in batches and read by key."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import redis
from feast.errors import FeastError
from feast.infra.online_stores.helpers import get_online_store_from_config
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from features.definitions import ITEM_POPULARITY, USER_STATE
from features.erasure import delete_rows
from features.location import Location, parse_location
from features.repository import open_repository
from features.rows import (
    MARK_FEATURES,
    Row,
    Values,
    mark_of,
    partition_key,
    popularity_of,
    popularity_row,
    profile_of,
    profile_row,
    stored_mark,
    user_key,
)
from features.store_errors import redis_error_message, sqlite_error_message
from mos_online.errors import StoreError
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile

T = TypeVar("T")

BATCH = 500
"""Rows in one round trip. They are few enough that Redis answers in time and SQLite holds its lock briefly."""


class OnlineStore:
    """Profiles and item popularity in Feast's online store, SQLite or Redis.

    The rows are those of `features.definitions`, so the plain Feast SDK reads them too. Writing and reading go
    straight to Feast's online store (`online_write_batch`, `online_read`) with protobuf built here, because
    `FeatureStore.push` and `get_online_features` cost several times as much.

    A profile has one writer, the profiler that owns its user. Methods block; call them from threads, any number at
    once. After a `StoreError` the same object may be used again: connections are made anew when they are needed.
    """

    def __init__(self, *, location: Location, repository: Any) -> None:
        """Wrap an open repository; most callers use `OnlineStore.open`.

        Args:
            location: where the rows are.
            repository: a `feast.FeatureStore` to which `features.definitions` has been applied.
        """
        self.location = location
        self._config = repository.config
        self._online: Any = get_online_store_from_config(repository.config.online_store)
        self._users = repository.get_feature_view(USER_STATE)
        self._popularity = repository.get_feature_view(ITEM_POPULARITY)
        # Feast keeps one SQLite connection; two threads inside one transaction would commit each other's rows.
        self._turn = threading.Lock() if location.kind == "sqlite" else nullcontext()

    @classmethod
    def open(cls, settings: Settings) -> OnlineStore:
        """Open the online store of `MOS_STORE`. Create the Feast repository in ``settings.feast_dir`` where needed.

        It does not connect to Redis, so a service may start before Redis does. Call `ping` to see whether it answers.

        Raises:
            SettingsError: `MOS_STORE` is neither "sqlite" nor a Redis URL.
            StoreError: the folder or the SQLite file cannot be written or is not what it should be.
        """
        location = parse_location(settings.store)
        try:
            return cls(location=location, repository=open_repository(settings.feast_dir, location))
        except (OSError, sqlite3.Error, DecodeError, FeastError) as error:
            raise StoreError(
                f"cannot open the Feast repository in {settings.feast_dir}: {error}; make the folder writable, or set "
                f"MOS_HOME to another one. It holds no state that cannot be rebuilt: it may also be deleted, then run "
                f"`mos backfill`"
            ) from None

    def write_profiles(self, profiles: Sequence[UserProfile]) -> int:
        """Write profiles; a revision older than the stored one (by `apply_session`'s order) changes nothing.

        A revision as new as the stored one replaces it: the same profile again, or one routed anew by another
        router. Feast's own rule for Redis (drop whatever is not later in time) would lose the second, and SQLite
        has no rule at all, so the comparison is made here, for both. It is not atomic: it guards against a writer
        that has lost its partition and a backfill beside a running worker, not against two writers at one instant.

        Returns:
            How many rows were written.

        Raises:
            StoreError: the store cannot be reached or is locked; any number of the profiles may have been written.
        """
        newest: dict[str, UserProfile] = {}
        for profile in profiles:
            other = newest.get(profile.user_id)
            if other is None or mark_of(profile) >= mark_of(other):
                newest[profile.user_id] = profile
        written = 0
        for batch in _batches(list(newest.values())):
            stored = self._read(self._users, [user_key(profile.user_id) for profile in batch], MARK_FEATURES)
            rows = [
                profile_row(profile)
                for profile, values in zip(batch, stored, strict=True)
                if mark_of(profile) >= stored_mark(values)
            ]
            self._write(self._users, rows)
            written += len(rows)
        return written

    def read_profiles(self, user_ids: Sequence[str]) -> dict[str, UserProfile]:
        """The profiles of those users who have one.

        Raises:
            StoreError: the store cannot be reached, or holds something else under their keys.
        """
        found: dict[str, UserProfile] = {}
        for batch in _batches(list(dict.fromkeys(user_ids))):
            rows = self._read(self._users, [user_key(user_id) for user_id in batch])
            found |= {u: profile_of(u, values) for u, values in zip(batch, rows, strict=True) if values}
        return found

    def delete_profiles(self, user_ids: Sequence[str]) -> None:
        """Delete all that is stored of these users; those who have nothing are passed over.

        A profiler that has a profile in memory writes it again with the user's next session, so their clicks have to
        end, and the worker to be restarted, before.

        Raises:
            StoreError: the store cannot be reached or is locked; any number of them may have been deleted.
        """
        for batch in _batches(list(dict.fromkeys(user_ids))):
            keys = [user_key(user_id) for user_id in batch]
            with self._access() as online:
                delete_rows(online, self._config, self._users, keys, self.location)

    def write_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        """Replace the rows of these partitions.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._write(self._popularity, [popularity_row(snapshot) for snapshot in snapshots])

    def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
        """The snapshots of partitions 0 to ``partitions - 1``, without those that nobody has written.

        Raises:
            StoreError: the store cannot be reached, or holds something else under their keys.
        """
        rows = self._read(self._popularity, [partition_key(p) for p in range(partitions)])
        return [popularity_of(p, values) for p, values in enumerate(rows) if values]

    def ping(self) -> None:
        """Check that the store answers, by reading a row that does not exist.

        Raises:
            StoreError: the store cannot be reached or read.
        """
        self._read(self._users, [user_key("")], MARK_FEATURES)

    def close(self) -> None:
        """Close the connections. Afterwards every method raises `StoreError`."""
        self._online = None  # Feast has no close for its synchronous clients; they close when nobody holds them

    def _read(self, view: Any, keys: list[Any], features: list[str] | None = None) -> list[Values]:
        """One dict per key, of the features that are set: empty if there is no such row."""
        with self._access() as online:
            # A copy: Feast appends to the list.
            rows = online.online_read(self._config, view, keys, list(features) if features else None)
        return [{name: v for name, v in (values or {}).items() if v.WhichOneof("val")} for _, values in rows]

    def _write(self, view: Any, rows: list[Row]) -> None:
        if rows:
            with self._access() as online:
                online.online_write_batch(self._config, view, rows, None)

    @contextmanager
    def _access(self) -> Iterator[Any]:
        """Feast's store, for one thread at a time where needed; turns its client's errors into ours."""
        online = self._online
        if online is None:
            raise StoreError("this OnlineStore was closed; open another with OnlineStore.open(settings)")
        try:
            with self._turn:
                yield online
        except sqlite3.Error as error:
            raise StoreError(sqlite_error_message(error)) from error
        except redis.RedisError as error:
            raise StoreError(redis_error_message(error, self.location)) from error


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
