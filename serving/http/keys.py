"""API keys: who may ask what. Only hashes of keys are kept."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from mos_online.errors import SettingsError
from mos_online.settings import Settings

log = logging.getLogger(__name__)

Scope = Literal["recommend", "write", "admin"]
"""What a key allows. A key with ``admin`` may see the pages of the operator; it includes nothing else."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_KEYS = 100
"""Every key is compared with every request's."""

FORM = "<id> <scope>[,<scope>] sha256:<64 hexadecimal digits>"
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64})\s+([a-z,]+)\s+sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key by its hash.

    Attributes:
        id: names it in logs and metrics.
        scopes: what it allows.
        digest: SHA-256 of the key; a random key of 256 bits needs no slower hash.
    """

    id: str
    scopes: frozenset[Scope]
    digest: bytes

    def line(self) -> str:
        """The key as a line of the file of keys."""
        return f"{self.id} {','.join(sorted(self.scopes))} sha256:{self.digest.hex()}"


def make_key(key_id: str, scopes: Sequence[str]) -> tuple[str, ApiKey]:
    """Make a random key.

    Returns:
        The key for the client, which is kept nowhere, and the entry for the file.

    Raises:
        SettingsError: the id or a scope is impossible.
    """
    key = secrets.token_hex(32)
    line = f"{key_id} {','.join(scopes)} sha256:{_digest(key).hex()}"
    return key, _parse(line, "the new key")


class KeyRing:
    """The keys that are accepted: MOS_API_KEY, which allows everything, and those of a file that is read again.

    A file that cannot be read later changes nothing: the keys from before hold, and ``problem`` says why.
    """

    def __init__(self, *, api_key: str | None, file: Path | None) -> None:
        """Read the file.

        Raises:
            SettingsError: a line is no key, or others may write the file.
        """
        self._own = (
            [ApiKey(id="MOS_API_KEY", scopes=frozenset(SCOPES), digest=_digest(api_key))] if api_key is not None else []
        )
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._keys: list[ApiKey] = []
        self.problem: str | None = None
        if file is not None:
            self._seen, self._keys = _version(file), read_keys(file)

    @property
    def needed(self) -> bool:
        """Whether requests need a key."""
        return bool(self._own) or self._file is not None

    def find(self, given: str) -> ApiKey | None:
        """Return the key that a request brought, None if it is none of ours.

        The time does not tell which key matches, nor how much of one does: hashes are compared, and all of them.
        """
        digest = hashlib.sha256(given.encode("latin-1")).digest()
        found = None
        for key in self._own + self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        if self._file is None:
            return
        try:
            seen = _version(self._file)
            if seen == self._seen:
                self.problem = None
                return
            keys = read_keys(self._file)
        except SettingsError as error:
            if str(error) != self.problem:
                log.error("the keys from before hold: %s", error)
            self.problem = str(error)
            return
        self._seen, self._keys, self.problem = seen, keys, None
        log.info("%d keys: %s", len(keys), ", ".join(key.id for key in keys) or "none")


def open_keys(settings: Settings) -> KeyRing:
    """Read the keys that the settings name.

    Raises:
        SettingsError: as ``KeyRing``; or pages need a key and there is none.
    """
    keys = KeyRing(api_key=settings.api_key, file=settings.api_keys_file)
    if settings.pages_need_key and not keys.needed:
        raise SettingsError("MOS_PAGES_NEED_KEY=true, but there is no key: set MOS_API_KEYS_FILE or MOS_API_KEY")
    return keys


def read_keys(file: Path) -> list[ApiKey]:
    """Read a file of keys: one a line, see ``FORM``; empty lines and those that begin with ``#`` are left out.

    Raises:
        SettingsError: the file cannot be read, or others may write it, or a line is no key.
    """
    try:
        if file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SettingsError(f"{file}: others may write it, and so make keys; use `chmod 600 {file}`")
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"MOS_API_KEYS_FILE={file} cannot be read: {error}") from None
    keys = [
        _parse(line, f"{file}, line {number}")
        for number, line in enumerate((line.strip() for line in lines), 1)
        if line and not line.startswith("#")
    ]
    if len({key.id for key in keys} | {"MOS_API_KEY"}) <= len(keys):
        raise SettingsError(f"{file}: two keys have the same id")
    if len(keys) > MAX_KEYS:
        raise SettingsError(f"{file} has {len(keys)} keys; {MAX_KEYS} are allowed")
    return keys


def _parse(line: str, where: str) -> ApiKey:
    found = _LINE.fullmatch(line)
    if found is None:  # the line may hold a key as it is: it is not shown
        raise SettingsError(f"{where}: a line has the form `{FORM}`; `mos keys create` makes one")
    key_id, scopes, digest = found.groups()
    if unknown := set(scopes.split(",")) - set(SCOPES):
        raise SettingsError(f"{where}: no scope {', '.join(sorted(unknown))!r}; there are: {', '.join(SCOPES)}")
    return ApiKey(id=key_id, scopes=frozenset(cast(list[Scope], scopes.split(","))), digest=bytes.fromhex(digest))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()


def _version(file: Path) -> tuple[int, ...]:
    """What changes when the file is written or replaced."""
    try:
        found = file.stat()
    except OSError as error:
        raise SettingsError(f"MOS_API_KEYS_FILE={file} cannot be read: {error}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
