"""Ports for services that start later."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mos_online import ports
from mos_online.errors import MosError
from mos_online.ports import HIGHEST, HOST, LOWEST, free_port, reachable

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_port_that_an_outgoing_connection_may_get() -> None:
    found = {free_port() for _ in range(20)}
    assert len(found) > 1
    assert all(LOWEST <= port < HIGHEST for port in found)
    assert (int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32_768) >= HIGHEST


def test_that_none_is_free_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST", LOWEST + 1)
    monkeypatch.setattr(ports, "TRIES", 1)
    with socket.socket() as taken:
        taken.bind((HOST, LOWEST))
        taken.listen()
        with pytest.raises(MosError, match="none of 1 ports"):
            free_port()


def test_the_preferred_port_unless_somebody_listens_there() -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred
    with socket.socket() as taken:
        taken.bind((HOST, preferred))
        taken.listen()
        assert free_port(preferred) != preferred


@pytest.mark.parametrize(
    ("host", "from_here"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7", "192.0.2.7"), ("host", "host")]
)
def test_a_service_on_every_address_is_reached_on_the_loopback_address(host: str, from_here: str) -> None:
    assert reachable(host) == from_here
