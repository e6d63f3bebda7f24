"""Messages for the errors of the online store's clients: what is wrong and how to mend it."""

from __future__ import annotations

import sqlite3

import redis

from features.location import Location


def sqlite_error_message(error: sqlite3.Error) -> str:
    """The message of the `StoreError` that an error of SQLite becomes."""
    message = str(error)
    if "locked" in message or "busy" in message:
        remedy = (
            "another process is writing to it. SQLite takes one writer: stop the other (a second worker or backfill?), "
            "or use Redis (MOS_STORE=redis://localhost:6379)"
        )
    elif "no such table" in message:
        remedy = "the file was replaced while it was open; restart this process, then run `mos backfill`"
    else:
        remedy = "free the disk or delete the folder `feast` in MOS_HOME, restart, then run `mos backfill`"
    return f"the online store (SQLite) failed: {message}; {remedy}"


def redis_error_message(error: redis.RedisError, location: Location) -> str:
    """The message of the `StoreError` that an error of redis-py becomes."""
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        remedy = "correct the user or password in MOS_STORE (redis://[user]:password@host:port/db)"
    elif "CERTIFICATE_VERIFY_FAILED" in str(error):
        remedy = "set SSL_CERT_FILE to the certificate (PEM) of the authority that signed the server's"
    elif isinstance(error, redis.ConnectionError | redis.TimeoutError):
        remedy = "start it (`redis-server`, or `docker compose up -d redis`) or correct MOS_STORE"
    else:
        remedy = "look at the server's log; `redis-cli info memory` shows whether it is full"
    return f"the online store at {location.label} failed: {str(error).rstrip('.')}; {remedy}"
