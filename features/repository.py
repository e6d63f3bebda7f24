"""The Feast repository on disk: feature_store.yaml, the registry, and a note of what was applied to it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import feast

from features.definitions import DEFINITIONS
from features.location import SQLITE_FILE, Location

CONFIG_FILE = "feature_store.yaml"
REGISTRY_FILE = "registry.db"
APPLIED_FILE = "applied.sha256"
LOCK_FILE = "apply.lock"


def open_repository(folder: Path, location: Location) -> feast.FeatureStore:
    """Open the Feast repository in ``folder``. Create it or bring it up to date if it is not what this code defines.

    Several processes may call this at once. A lock file lets one apply the definitions; the others wait and find the
    work done. It does not connect to Redis.

    Raises:
        OSError, sqlite3.Error, FeastError: the folder or the SQLite file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(location)
    with _alone(folder / LOCK_FILE):
        if not is_applied(folder, location):
            _write_private(folder / CONFIG_FILE, config)
            repository = feast.FeatureStore(repo_path=str(folder))
            repository.apply(list(DEFINITIONS))
            if location.kind == "sqlite":
                write_ahead(folder / SQLITE_FILE)
            _write_private(folder / APPLIED_FILE, _fingerprint(config))
    return feast.FeatureStore(repo_path=str(folder))


def is_applied(folder: Path, location: Location) -> bool:
    """Whether the repository in ``folder`` is what this code, this Feast and this ``location`` define."""
    needed = [CONFIG_FILE, REGISTRY_FILE, APPLIED_FILE] + ([SQLITE_FILE] if location.kind == "sqlite" else [])
    if not all((folder / name).is_file() for name in needed):
        return False
    return (folder / APPLIED_FILE).read_bytes() == _fingerprint(_config(location)).encode()


def _config(location: Location) -> str:
    lines = [
        f"project: {location.project}",
        "provider: local",
        f"registry: {{path: {REGISTRY_FILE}, cache_ttl_seconds: 300}}",
        "entity_key_serialization_version: 3",
        "online_store:",
        *(f"  {name}: {json.dumps(value)}" for name, value in location.feast.items()),  # JSON values are YAML
    ]
    return "\n".join(lines) + "\n"


def _fingerprint(config: str) -> str:
    """Changes when the definitions, the settings or Feast change. Protobuf bytes are stable for one Feast."""
    digest = hashlib.sha256(f"{feast.__version__}\n{config}".encode())
    for definition in DEFINITIONS:
        message = definition.to_proto()
        _forget_times(message)
        digest.update(message.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _forget_times(message: Any) -> None:
    """Remove every point in time from a message: Feast notes when a process has made its definitions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.full_name == "google.protobuf.Timestamp":
            message.ClearField(field.name)
        elif field.is_repeated and not field.message_type.GetOptions().map_entry:
            for part in value:
                _forget_times(part)
        elif not field.is_repeated:
            _forget_times(value)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also by a crash
        yield


def _write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only we may read it, since feature_store.yaml may hold a password."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def write_ahead(path: Path) -> None:
    """Let readers go on while somebody writes. Feast opens SQLite in its default mode; this one stays in the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
