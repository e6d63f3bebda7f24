"""What the environment may hold before its values become settings: known names, and values that are not blank."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from mos_online.contracts import EventTypes
from mos_online.errors import SettingsError

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?", re.ASCII)
_BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]]+):(\d{1,5})", re.ASCII)


def check_variables(environment: Mapping[str, str], *, known: Collection[str], maybe_empty: Collection[str]) -> None:
    """Look at the variables of the environment that are meant for us.

    Args:
        environment: name -> value, of those that begin with our prefix, in any case.
        known: names of all settings.
        maybe_empty: names of the settings whose value may be empty, or may have blanks around it.

    Raises:
        SettingsError: a name is unknown (the nearest one is given), or a value is empty or has blanks around it. These
            come from ``.env`` files with quotes or Windows line ends, and would change the value without being seen.
    """
    for name, value in environment.items():
        if name not in known:
            near = get_close_matches(name.upper(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(sorted(known))}"
            raise SettingsError(f"unknown setting {name}: {hint}")
        if name in maybe_empty:
            continue
        if not value.strip():
            raise SettingsError(f"{name} is empty: give it a value, or unset it to use its default")
        if value != value.strip():
            raise SettingsError(f"{name} has blanks or line ends around its value: remove them")


def kafka_addresses(value: str) -> str:
    """Return ``value`` if it is ``embedded`` or the addresses of brokers, ``host:port[,host:port]``.

    Raises:
        ValueError: it is neither.
    """
    for address in [] if value == "embedded" else value.split(","):
        found = _BROKER.fullmatch(address.strip())
        if found is None or not 1 <= int(found[1]) <= 65535:
            raise ValueError(f"{address!r} is no host:port; write `embedded`, or `host:port[,host:port]`")
    return value


def http_url(value: str) -> str:
    """Return ``value`` if it is the URL of an HTTP service.

    Raises:
        ValueError: it is not.
    """
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise ValueError("this is no URL of a service; write `http://host:port` or `https://host`")
    if url.port == 0:
        raise ValueError("there is no port 0")
    return value


def host_name(value: str) -> str:
    """Return ``value`` if it may be an address or a name of a machine, without port and brackets.

    Raises:
        ValueError: it is not.
    """
    if not re.fullmatch(r"[0-9A-Za-z_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?", value, re.ASCII):
        raise ValueError("write an address or a host name, without port and brackets, such as 127.0.0.1 or ::1")
    return value


def key(value: str) -> str:
    """Return ``value`` if an HTTP header can carry it.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch("[!-~]+", value):
        raise ValueError(
            "a key has one or more visible ASCII characters and no blanks; unset the variable to ask for no key, "
            "or make a key with `openssl rand -hex 32`"
        )
    return value


def networks(value: str) -> str:
    """Return ``value`` if it lists addresses or networks, separated by commas.

    Raises:
        ValueError: one of them is neither.
    """
    for network in listed(value):
        ip_network(network)
    return value


def web_origins(value: str) -> str:
    """Return ``value`` if it lists origins of web pages, separated by commas, or is ``*``.

    Raises:
        ValueError: one of them is none.
    """
    for origin in listed(value):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin; write https://host or https://host:port, without a path, or *")
    return value


def listed(value: str) -> tuple[str, ...]:
    """The parts of a value that are separated by commas, without blanks around them."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def folder(path: Path) -> Path:
    """Return ``path`` if it is a folder, or can become one.

    Raises:
        ValueError: it, or one of its parents, is a file.
    """
    there = nearest(path.absolute())
    if not there.is_dir():
        raise ValueError(f"{there} is a file, not a folder; move it away, or choose another folder")
    return path


def nearest(path: Path) -> Path:
    """The path, or the nearest of its parents that exists and that we may look at."""
    while not os.path.exists(path):
        path = path.parent
    return path


def event_table(table: str) -> str:
    """A table of event types."""
    try:
        EventTypes.parse(table)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    return table
