"""Starts HAProxy with our rules in the configuration that Ray has written.

Ray calls this instead of HAProxy, at the start and for each reload::

    python -I haproxy_launch.py <parameters> <what Ray passes to HAProxy>

Ray's template has no time limit for a slow request, lets status pages listen on every interface, and passes on what a
client says about itself. The program needs nothing but the standard library, so a reload does not wait for imports.
"""

from __future__ import annotations

import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

REQUEST_SECONDS = 10
"""A request must have arrived within this: its headers, and its body as far as HAProxy holds it (16 KiB)."""
IDLE_SECONDS = 15
"""A connection on which no request comes is closed after this."""
CONNECTIONS = 512
"""An address may have so many connections; HAProxy has 4096."""

ERRORS = {
    400: ("Bad Request", "bad_request", "this is no HTTP request that the service can read", "send valid HTTP/1.1"),
    408: ("Request Timeout", "too_slow", f"no whole request came within {REQUEST_SECONDS} s", "send it in one piece"),
}
"""HAProxy's own answers, in the shape of the service's errors: the status's name, code, message and fix."""

_NOT_FOUND = '{"error":{"code":"not_found","message":"there is nothing here","fix":"see /openapi.json for the paths"}}'
_OF_RAY = (
    "x-request-timeout-seconds",
    "x-request-disconnect-disabled",
    "serve_multiplexed_model_id",
    "serve-multiplexed-model-id",
)
"""Headers with which a client could tell Ray how to treat its request."""


MARK = "# with the rules of MoS Online\n"


def rewrite(config: str, parameters: dict[str, Any]) -> str:
    """Put our rules into a configuration, once.

    Args:
        config: as Ray's template makes it.
        parameters: ``host`` and ``port`` to listen on, ``local_ports`` that are for this machine alone, ``errors``
            (see ``write_errors``), ``trusted_proxies`` (networks), and whether the pages of Ray are ``closed``.

    Raises:
        ValueError: a place for a rule was not found, so the configuration would be without it.
    """
    if config.startswith(MARK):
        return config
    for port in parameters["local_ports"]:
        config = _replaced(config, rf"bind \*?:{port}$", f"bind 127.0.0.1:{port}")
    config = _replaced(config, r"^( *stats socket .*) mode 666 ", r"\1 mode 600 ")
    config = _replaced(config, r"timeout http-keep-alive \S+$", f"timeout http-keep-alive {IDLE_SECONDS}s")
    config = _replaced(config, r"^defaults\n", "defaults\n" + _lines(_limits(parameters)))
    listens = rf"^(frontend http_frontend\n) *bind \S+:{parameters['port']}\n"
    return MARK + _replaced(config, listens, "frontend http_frontend\n" + _lines(_frontend(parameters)))


def write_errors(folder: Path) -> None:
    """Write the files that the configuration names: a whole answer each."""
    for status, (name, code, message, fix) in ERRORS.items():
        body = json.dumps({"error": {"code": code, "message": message, "fix": fix}}, separators=(",", ":"))
        head = f"HTTP/1.1 {status} {name}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        (folder / f"{status}.http").write_bytes(f"{head}Connection: close\r\n\r\n{body}".encode())


def _limits(parameters: dict[str, Any]) -> list[str]:
    answers = [f"errorfile {status} {parameters['errors']}/{status}.http" for status in ERRORS]
    return [f"timeout http-request {REQUEST_SECONDS}s", "option http-buffer-request", *answers]


def _frontend(parameters: dict[str, Any]) -> list[str]:
    host = {"0.0.0.0": "*", "::": "::"}.get(parameters["host"], parameters["host"])  # noqa: S104 - the operator's
    trusted = parameters["trusted_proxies"]
    lines = [
        f"bind {host}:{parameters['port']}",
        "stick-table type ipv6 size 20k expire 30s store conn_cur",
        "tcp-request connection track-sc0 src",
    ]
    exempt = ""
    if trusted:
        lines.append(f"acl trusted_proxy src {' '.join(trusted)}")
        exempt = "!trusted_proxy "
    lines.append(f"tcp-request connection reject if {exempt}{{ sc0_conn_cur gt {CONNECTIONS} }}")
    lines.append("http-request set-header x-mos-peer %[src]")
    lines += [f"http-request del-header {header}" for header in _OF_RAY]
    lines += [
        "acl one_request_id req.fhdr_cnt(x-request-id) eq 1",
        "acl plain_request_id req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._:-]{1,128}$",
        "http-request set-header x-request-id %[uuid] if !one_request_id or !plain_request_id",
        # Ray adds its own behind ours.
        "http-response set-header x-request-id %[res.fhdr(x-request-id,1)] if { res.fhdr(x-request-id) -m found }",
    ]
    if parameters["closed"]:
        closed = "{ path,url_dec -m beg -i /-/ }"
        answer = f"content-type application/json string '{_NOT_FOUND}'"
        lines.append(f"http-request return status 404 {answer} if {closed}")
    return lines


def _lines(rules: list[str]) -> str:
    return "".join(f"    {rule}\n" for rule in rules)


def _replaced(config: str, pattern: str, by: str) -> str:
    changed, count = re.subn(pattern, by, config, count=1, flags=re.MULTILINE)
    if not count:
        raise ValueError(f"this version of Ray writes another configuration: there is nothing like {pattern!r} in it")
    return changed


def main() -> None:
    """Rewrite the file after each ``-f`` and become HAProxy."""
    parameters = json.loads(Path(sys.argv[1]).read_text())
    arguments = sys.argv[2:]
    for option, value in pairwise(arguments):
        if option == "-f":
            file = Path(value)
            draft = file.with_suffix(".new")
            draft.write_text(rewrite(file.read_text(), parameters))
            draft.replace(file)
    os.execv(parameters["binary"], [parameters["binary"], *arguments])  # noqa: S606 - the binary that was chosen


if __name__ == "__main__":
    main()
