"""Our port to Feast's online store: profiles, item popularity and co-clicks, written in batches and read by key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from feast.errors import FeastError
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from features.co_click_rows import co_click_row, co_clicks_of
from features.decoding import OnDamaged, RowDecoder
from features.definitions import FAST_WEIGHTS, ITEM_CO_CLICKS, ITEM_POPULARITY, PROFILE_PROGRESS, ROUTERS, USER_STATE
from features.fast_weights import FastWeightsRows
from features.feast_rows import FeastRows
from features.location import Location, parse_location
from features.progress import COMPARED_PROGRESS, progress_key, progress_of, progress_row, progress_values
from features.reading import Damaged
from features.replacing import Replacement
from features.repository import open_repository
from features.router_rows import RouterRows
from features.rows import (
    COMPARED,
    Row,
    Values,
    compared_values,
    partition_key,
    popularity_of,
    popularity_row,
    profile_of,
    profile_row,
    user_key,
)
from mos_online.errors import StoreError
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.snapshot import PopularitySnapshot
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from mos_online.users.progress import Progress

T = TypeVar("T")

BATCH = 500
"""Rows in one round trip. They are few enough that Redis answers in time and SQLite holds its lock briefly."""

VIEWS = (USER_STATE, ITEM_POPULARITY, ITEM_CO_CLICKS, PROFILE_PROGRESS, FAST_WEIGHTS, ROUTERS)


class OnlineStore:
    """Profiles, item popularity and co-clicks in Feast's online store, SQLite or Redis.

    The rows are those of `features.definitions`, so the plain Feast SDK reads them too. Writing and reading go
    straight to Feast's online store with protobuf built here, because `FeatureStore.push` and `get_online_features`
    cost several times as much.

    A row that cannot be decoded, whoever wrote it, is logged and counts as none. Methods block; call them from
    threads, any number at once. After a `StoreError` the same object may be used again: connections are made anew
    when they are needed.

    Attributes:
        location: where the rows are.
        fast_weights: the rows of the arms' fast weights.
        routers: the rows of the arms' revisions of the router.
    """

    def __init__(self, *, location: Location, repository: Any) -> None:
        """Wrap an open repository; most callers use `OnlineStore.open`.

        Args:
            location: where the rows are.
            repository: a `feast.FeatureStore` to which `features.definitions` has been applied.
        """
        self.location = location
        views = list(map(repository.get_feature_view, VIEWS))
        self._users, self._popularity, self._co_clicks, self._progress, fast_weights, routers = views
        self._rows = FeastRows(location, repository.config, views)
        self._decoder = RowDecoder()
        self.fast_weights = FastWeightsRows(self._rows, fast_weights, self._decoder)
        self.routers = RouterRows(self._rows, routers, self._decoder)

    @classmethod
    def open(cls, settings: Settings) -> OnlineStore:
        """Open the online store of `MOS_STORE`. Create the Feast repository in ``settings.feast_dir`` where needed.

        It does not connect to Redis, so a service may start before Redis does. Call `ping` to see whether it answers.

        Raises:
            SettingsError: `MOS_STORE` is neither "sqlite" nor a Redis URL.
            StoreError: the folder or the SQLite file cannot be written or is not what it should be.
        """
        location = parse_location(settings.store, settings.namespace)
        try:
            return cls(location=location, repository=open_repository(settings.feast_dir, location))
        except (OSError, sqlite3.Error, DecodeError, FeastError) as error:
            raise StoreError(
                f"cannot open the Feast repository in {settings.feast_dir}: {error}; make the folder writable, or set "
                f"MOS_HOME to another one. It holds no state that cannot be rebuilt: it may also be deleted, then run "
                f"`mos backfill`"
            ) from None

    def write_profiles(
        self, profiles: Iterable[UserProfile], *, over: Mapping[str, UserProfile] = MappingProxyType({})
    ) -> set[str]:
        """Write profiles, each if the store still holds the one that it was made from. Both are one step.

        So a writer that has lost its partition, or that was slow, never overwrites what another has written since.

        Args:
            profiles: at most one of each user.
            over: the profiles that they were made from, as they were read or written last; a user without one must
                not have a row.

        Returns:
            The users whose row is another by now: nothing was written of them. Read them again.

        Raises:
            StoreError: the store cannot be reached or is locked; any number of the profiles may have been written.
        """
        lost: set[str] = set()
        for batch in _batches(list(profiles)):
            replacements = [
                Replacement(row=profile_row(one), expected=compared_values(over.get(one.user_id))) for one in batch
            ]
            written = self._rows.replace(self._users, replacements, COMPARED)
            lost |= {one.user_id for one, done in zip(batch, written, strict=True) if not done}
        self._rows.set_aside_unreadable(self._users, [user_key(user_id) for user_id in lost if user_id not in over])
        return lost

    def read_profiles(self, user_ids: Sequence[str], *, on_damaged: OnDamaged | None = None) -> dict[str, UserProfile]:
        """The profiles of those users who have one that can be read.

        Args:
            user_ids: of the users.
            on_damaged: called with the id of each user whose row cannot be read, and why. It is logged, too.

        Raises:
            StoreError: the store cannot be reached.
        """
        found: dict[str, UserProfile] = {}
        for batch in _batches(list(dict.fromkeys(user_ids))):
            rows = self._rows.read(self._users, [user_key(user_id) for user_id in batch])
            for user_id, row in zip(batch, rows, strict=True):
                if profile := self._decoder.decoded(row, partial(profile_of, user_id), on_damaged, user_id):
                    found[user_id] = profile
        return found

    def set_aside_profiles(self, user_ids: Sequence[str]) -> None:
        """Move the rows of these users that cannot be read out of the way, so that others can be written.

        ``delete_profiles`` deletes them there, too.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        damaged: list[str] = []
        self.read_profiles(user_ids, on_damaged=lambda user_id, _: damaged.append(user_id))
        for batch in _batches(damaged):
            self._rows.set_aside(self._users, [user_key(user_id) for user_id in batch])

    def delete_profiles(self, user_ids: Sequence[str]) -> None:
        """Delete all that is stored of these users; those who have nothing are passed over.

        A profiler that has a profile in memory writes it again with the user's next session, so their clicks have to
        end, and the worker to be restarted, before.

        Raises:
            StoreError: the store cannot be reached or is locked; any number of them may have been deleted.
        """
        for batch in _batches(list(dict.fromkeys(user_ids))):
            self._rows.delete(self._users, [user_key(user_id) for user_id in batch])

    def write_popularity(self, snapshots: Sequence[PopularitySnapshot]) -> None:
        """Replace the rows of these partitions, whatever is there.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._rows.put(self._popularity, [popularity_row(snapshot) for snapshot in snapshots])

    def add_popularity(self, snapshot: PopularitySnapshot) -> bool:
        """Write the row of a partition if it has none that can be read, in one step; whether it was written.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        return self._add(self._popularity, popularity_row(snapshot), popularity_of, "popularity")

    def add_co_clicks(self, snapshot: CoClickSnapshot) -> bool:
        """Write the co-clicks of a partition if it has none that can be read, in one step; whether they were written.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        return self._add(self._co_clicks, co_click_row(snapshot), co_clicks_of, "co-clicks")

    def write_co_clicks(self, snapshot: CoClickSnapshot) -> None:
        """Replace the co-clicks of a partition, whatever is there.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._rows.put(self._co_clicks, [co_click_row(snapshot)])

    def read_co_clicks(self, partition: int) -> CoClickSnapshot | None:
        """The co-clicks of a partition, as ``read_popularity``; None where that has no snapshot."""
        (row,) = self._rows.read(self._co_clicks, [partition_key(partition)])
        return self._decoder.decoded(row, partial(co_clicks_of, partition), None, f"co-clicks {partition}")

    def read_popularity(self, partitions: int) -> list[PopularitySnapshot]:
        """The snapshots of partitions 0 to ``partitions - 1``, without those that nobody has written.

        A row that cannot be read counts as one that nobody has written; it is logged.

        Raises:
            StoreError: the store cannot be reached.
        """
        rows = self._rows.read(self._popularity, [partition_key(p) for p in range(partitions)])
        found = (
            self._decoder.decoded(row, partial(popularity_of, p), None, f"popularity {p}") for p, row in enumerate(rows)
        )
        return [snapshot for snapshot in found if snapshot]

    def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        """How far the profiles of these partitions have come, without rows that are not there or cannot be read.

        Raises:
            StoreError: the store cannot be reached.
        """
        found: dict[int, Progress] = {}
        wanted = list(partitions)
        for number, row in zip(wanted, self._rows.read(self._progress, [progress_key(p) for p in wanted]), strict=True):
            if progress := self._decoder.decoded(row, partial(progress_of, number), None, f"progress {number}"):
                found[number] = progress
        return found

    def write_progress(self, rows: Sequence[Progress], *, over: Mapping[int, Progress]) -> set[int]:
        """Write how far profiles have come, each if the store still holds the row that it was made from.

        Args:
            rows: at most one of each partition.
            over: the rows that they were made from; where there is none, none must be in the store.

        Returns:
            The partitions whose row is another by now: nothing was written of them. Read them again.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        replacements = [
            Replacement(row=progress_row(one), expected=progress_values(over.get(one.partition))) for one in rows
        ]
        written = self._rows.replace(self._progress, replacements, COMPARED_PROGRESS)
        lost = {one.partition for one, done in zip(rows, written, strict=True) if not done}
        self._rows.set_aside_unreadable(self._progress, [progress_key(p) for p in lost if p not in over])
        return lost

    def delete_partitions(self, partitions: Sequence[int]) -> None:
        """Delete what is stored of partitions that Kafka does not have any more: progress and counts of items.

        Raises:
            StoreError: the store cannot be reached or is locked.
        """
        self._rows.delete(self._progress, [progress_key(p) for p in partitions])
        for view in (self._popularity, self._co_clicks):
            self._rows.delete(view, [partition_key(p) for p in partitions])

    def ping(self) -> None:
        """Check that the store answers, by reading a row that does not exist.

        Raises:
            StoreError: the store cannot be reached or read.
        """
        self._rows.read(self._users, [user_key("")])

    def close(self) -> None:
        """Close the connections. Afterwards every method raises `StoreError`."""
        self._rows.close()

    def _add(self, view: Any, row: Row, decode: Callable[[int, Values], object], what: str) -> bool:
        """Write a row of a partition if there is none that can be read, in one step; whether it was written."""
        number = row[0].entity_values[0].int64_val
        (there,) = self._rows.read(view, [row[0]])
        if self._decoder.decoded(there, partial(decode, number), None, f"{what} {number}"):
            return False
        if isinstance(there, Damaged):
            self._rows.set_aside_unreadable(view, [row[0]])
            there = {}
        return self._rows.replace(view, [Replacement(row=row, expected=there)], ("as_of",)) == [True]


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
