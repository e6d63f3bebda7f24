"""Rows of Feast's online store, by key: read, written, compared and set, set aside and deleted."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import redis
from feast.infra.online_stores.helpers import get_online_store_from_config

from features.erasure import delete_rows, set_aside_rows
from features.location import SQLITE_FILE, Location
from features.reading import Damaged, is_unreachable, read_rows
from features.replacing import Replacement, replace_rows
from features.rows import Row, Values
from features.sqlite_file import SqliteFile
from features.store_errors import redis_error_message, sqlite_error_message
from mos_online.errors import StoreError


class FeastRows:
    """Any number of threads may use it at once. All methods raise `StoreError` if the store cannot be used."""

    def __init__(self, location: Location, config: Any, views: Sequence[Any]) -> None:
        """Connect when it is needed.

        Args:
            location: where the rows are.
            config: Feast's `RepoConfig`.
            views: all feature views that are stored.
        """
        self._location = location
        self._config = config
        self._online: Any = get_online_store_from_config(config.online_store)
        self._file: SqliteFile | None = None
        # Feast keeps one SQLite connection; two threads inside one transaction would commit each other's rows.
        self._turn = threading.Lock() if location.kind == "sqlite" else nullcontext()
        if location.kind == "sqlite":
            self._file = SqliteFile(Path(config.repo_path) / SQLITE_FILE, config, views)

    def read(self, view: Any, keys: Sequence[Any], features: Sequence[str] | None = None) -> list[Values | Damaged]:
        """One row per key, as `read_rows`; only some features of it if they are named."""
        with self._access() as online:
            return read_rows(online, self._config, view, keys, location=self._location, features=features)

    def put(self, view: Any, rows: list[Row]) -> None:
        """Write rows, whatever is there."""
        if not rows:
            return
        with self._access() as online:
            try:
                online.online_write_batch(self._config, view, rows, None)
            except redis.ResponseError as error:
                if is_unreachable(error):
                    raise
                set_aside_rows(online, self._config, view, [row[0] for row in rows], self._location)
                online.online_write_batch(self._config, view, rows, None)

    def replace(self, view: Any, replacements: Sequence[Replacement], compared: Sequence[str]) -> list[bool]:
        """Write rows where the stored ones are the expected ones, as `replace_rows`."""
        with self._access() as online:
            return replace_rows(online, self._config, view, replacements, compared=compared, location=self._location)

    def set_aside(self, view: Any, keys: Sequence[Any]) -> None:
        """Move rows out of the way, as `set_aside_rows`."""
        if keys:
            with self._access() as online:
                set_aside_rows(online, self._config, view, keys, self._location)

    def set_aside_unreadable(self, view: Any, keys: Sequence[Any]) -> None:
        """Set aside what lies under these keys and is read as no row at all: it would be in the way for ever."""
        rows = self.read(view, keys)
        empty = [key for key, row in zip(keys, rows, strict=True) if isinstance(row, Damaged) or not row]
        self.set_aside(view, empty)

    def delete(self, view: Any, keys: Sequence[Any]) -> None:
        """Delete rows, as `delete_rows`."""
        with self._access() as online:
            delete_rows(online, self._config, view, keys, self._location)

    def close(self) -> None:
        """Close the connections."""
        self._online = None  # Feast has no close for its synchronous clients; they close when nobody holds them

    @contextmanager
    def _access(self) -> Iterator[Any]:
        """Feast's store, for one thread at a time where needed; turns its client's errors into ours."""
        online = self._online
        if online is None:
            raise StoreError("this OnlineStore was closed; open another with OnlineStore.open(settings)")
        try:
            with self._turn:
                if self._file is not None:
                    self._file.refresh(online)
                yield online
        except sqlite3.Error as error:
            raise StoreError(sqlite_error_message(error)) from error
        except redis.RedisError as error:
            raise StoreError(redis_error_message(error, self._location)) from error
        except OSError as error:
            raise StoreError(f"the online store's file cannot be opened: {error}; make MOS_HOME writable") from error
