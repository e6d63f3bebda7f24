"""Which address a request counts for, whatever its headers say."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from serving.http.clients import Addresses

TRUSTED = ["10.0.0.0/8", "2001:db8:1::/48"]


def request(connection: str, *headers: tuple[str, str]) -> Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "client": (connection, 1), "headers": raw})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),  # said by the client itself
        ("10.1.1.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # the first is the client's invention
        ("10.1.1.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", ["203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["203.0.113.9, unknown"], "10.1.1.1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("2001:db8:2:3:4:5:6:7", [], "2001:db8:2:3::/64"),
        ("2001:db8:1::1", ["2001:db8:2:3::9"], "2001:db8:2:3::/64"),
        ("", [], ""),
        ("no address", ["203.0.113.9"], ""),
    ],
)
def test_the_address_is_the_last_that_can_be_believed(peer: str, forwarded: list[str], address: str) -> None:
    headers = [("x-forwarded-for", line) for line in forwarded]
    behind = Addresses(behind_haproxy=True, trusted=TRUSTED)
    assert behind.of(request("127.0.0.1", ("x-mos-peer", peer), *headers)) == address
    direct = Addresses(behind_haproxy=False, trusted=TRUSTED)
    assert direct.of(request(peer, ("x-mos-peer", "6.6.6.6"), *headers)) == address


def test_without_haproxy_its_header_is_not_believed() -> None:
    addresses = Addresses(behind_haproxy=False, trusted=[])
    assert addresses.of(request("192.0.2.7", ("x-mos-peer", "6.6.6.6"))) == "192.0.2.7"
