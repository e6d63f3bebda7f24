"""TCP ports of this machine: free ones, and the URLs of services."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mos_online.errors import MosError

HOST = "127.0.0.1"

LOWEST, HIGHEST = 20_000, 32_000
"""The range lies below the ports that outgoing connections get (Linux: from 32768, macOS: from 49152). So no such
connection takes a port between the moment it is found free and the moment a service listens there."""

TRIES = 200
"""How many random ports are tried."""


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a service that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def free_port(preferred: int | None = None) -> int:
    """Find a port of the loopback address on which nobody listens, and keep it for this process.

    Args:
        preferred: returned if it is free; otherwise the port is a random one.

    Raises:
        MosError: none of ``TRIES`` ports is free.
    """
    drawn = random.SystemRandom().sample(range(LOWEST, HIGHEST), TRIES)
    for port in drawn if preferred is None else [preferred, *drawn]:
        if (port not in _kept or port == preferred) and bind_fault(HOST, port) is None and keep_port(port):
            return port
    raise MosError(f"none of {TRIES} ports of {HOST} from {LOWEST} to {HIGHEST - 1} is free")


def keep_port(port: int) -> bool:
    """Keep a port for this process until it ends: no other process of this user gets it from ``free_port``.

    It may be used long before anybody listens there. The system frees what is kept with the process.

    Returns:
        Whether nobody else keeps it.

    Raises:
        MosError: the file of the ports cannot be used.
    """
    try:
        fcntl.lockf(_file_of_ports(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _kept.add(port)
    return True


_kept: set[int] = set()


@cache
def _file_of_ports() -> int:
    """Byte N of this file is locked by the process that keeps the port N."""
    path = Path(tempfile.gettempdir()) / f"mos-ports-{os.geteuid()}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MosError(f"{path} cannot be written ({error.strerror}); remove it, or set TMPDIR") from None
    if os.fstat(file).st_uid != os.geteuid():
        raise MosError(f"{path} belongs to another user; remove it, or set TMPDIR")
    return file


def bind_fault(host: str, port: int) -> str | None:
    """Why nobody can listen at this address now, in a few words; None if somebody can."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine by its name alone; no proxy can reach that.

    >>> is_loopback("http://127.8.0.1:8000"), is_loopback("http://[::1]:8000"), is_loopback("http://shop.example")
    (True, True, False)
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def http_address(host: str, port: int) -> str:
    """The URL at which this machine reaches what listens on ``host``, which may be "every address".

    >>> http_address("::1", 8000), http_address("0.0.0.0", 80)
    ('http://[::1]:8000', 'http://127.0.0.1:80')
    """
    reached = reachable(host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
