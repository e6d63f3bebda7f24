"""The online store. Nothing is changed in it: not even its files are made."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from mos_cli.findings import Finding, Status, failed
from mos_online.errors import MosError, StoreError
from mos_online.settings import Settings

SECONDS = 5.0
"""For reading the pages of an SQLite file; what was not read by then counts as sound."""


def online_store(settings: Settings) -> Iterator[Finding]:
    """Whether the online store answers and has our feature views."""
    from features.location import SQLITE_FILE, parse_location  # noqa: PLC0415 - with Feast, which takes seconds
    from features.repository import is_applied  # noqa: PLC0415
    from features.store import OnlineStore  # noqa: PLC0415

    try:
        location = parse_location(settings.store, settings.namespace)
        applied = is_applied(settings.feast_dir, location)
        if location.kind == "sqlite":
            _check_sqlite(settings.feast_dir / SQLITE_FILE)
        with TemporaryDirectory() as scratch:
            # To open a store that has not been made would make it, so that is tried elsewhere.
            home = settings.home if applied else Path(scratch)
            store = OnlineStore.open(settings.model_copy(update={"home": home}))
            store.ping()
            store.close()
    except MosError as error:
        yield failed("online store", error)
        return
    except OSError as error:
        fault = StoreError(f"{error.filename} cannot be read: {error.strerror}; see MOS_HOME above")
        yield failed("online store", fault)
        return
    if location.kind == "redis":
        yield from _redis(settings)
    made = applied or location.kind == "redis"
    yield Finding(
        part="online store",
        status=Status.PASS,
        found=f"{location.label} answers" if made else f"{location.label}: not made yet",
    )
    if applied:
        yield Finding(part="feature views", status=Status.PASS, found=f"applied in {settings.feast_dir}")
    else:
        yield Finding(
            part="feature views",
            status=Status.WARN,
            found=f"not applied in {settings.feast_dir}, or by another version",
            remedy="nothing to do: the first of worker, serve and backfill applies them",
        )


def _redis(settings: Settings) -> Iterator[Finding]:
    """Whether the server may drop profiles, or loses them when it stops."""
    from features.redis_server import redis_server  # noqa: PLC0415

    part = "Redis"
    try:
        server = redis_server(settings.store)
    except MosError as error:
        yield failed(part, error)
        return
    if server.evicts_rows:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"maxmemory-policy is {server.eviction}: when Redis is full, it drops profiles",
            remedy="set `maxmemory-policy noeviction` in redis.conf: Redis holds the only copy of the profiles",
        )
    if server.on_disk is False:
        yield Finding(
            part=part,
            status=Status.WARN,
            found="it writes nothing to disk: when it stops, all profiles are lost",
            remedy="set `appendonly yes` in redis.conf",
        )


def _check_sqlite(file: Path) -> None:
    """Read the file itself, if there is one, without writing.

    Raises:
        StoreError: it is no SQLite database, is damaged, or may not be read.
    """
    if not file.exists():
        return
    until = time.monotonic() + SECONDS
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            try:
                (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                return
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise StoreError(
            f"{file} is damaged: {said}; move it away: it is made again, and `mos backfill` fills it from your log"
        )
