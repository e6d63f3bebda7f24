"""Messages for the errors of the online store's clients: what is wrong and how to mend it."""

from __future__ import annotations

import re
import sqlite3

import redis

from features.location import Location

PIPELINE = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
"""What redis-py writes before an error: the command, with the bytes of a row."""

UNAUTHENTICATED = "unauthenticated multibulk length"
"""Redis's answer to a long command of a client that has given no password."""


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
    elif "full" in message:
        remedy = "free the disk: what waits goes on by itself"
    elif "readonly" in message or "unable to open" in message:
        remedy = "let this user write to the folder `feast` in MOS_HOME and to its files"
    else:
        remedy = "look after the disk, or delete the folder `feast` in MOS_HOME, restart, then run `mos backfill`"
    return f"the online store (SQLite) failed: {message}; {remedy}"


def redis_error_message(error: redis.RedisError, location: Location) -> str:
    """The message of the `StoreError` that an error of redis-py becomes."""
    found = PIPELINE.sub("", str(error)).rstrip(".")
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError) or UNAUTHENTICATED in found:
        remedy = "correct the user or password in MOS_STORE (redis://[user]:password@host:port/db)"
    elif "CERTIFICATE_VERIFY_FAILED" in found:
        remedy = "set SSL_CERT_FILE to the certificate (PEM) of the authority that signed the server's"
    elif isinstance(error, redis.ConnectionError | redis.TimeoutError):
        remedy = "start it (`redis-server`, or `docker compose up -d redis`) or correct MOS_STORE"
    elif "can't write against a read only replica" in found:
        remedy = "name the primary server in MOS_STORE: this is a replica"
    elif "OOM" in found or "maxmemory" in found:
        remedy = "it is full: give it more memory (`maxmemory`)"
    else:
        remedy = "look at the server's log; `redis-cli info memory` shows whether it is full"
    return f"the online store at {location.label} failed: {found}; {remedy}"
