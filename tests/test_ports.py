"""Ports for services that start later."""

from __future__ import annotations

import socket

from mos_online.ports import HIGHEST, HOST, LOWEST, free_port


def test_no_port_that_an_outgoing_connection_may_get() -> None:
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 1
    assert all(LOWEST <= port < HIGHEST for port in ports)


def test_the_preferred_port_unless_somebody_listens_there() -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred
    with socket.socket() as taken:
        taken.bind((HOST, preferred))
        taken.listen()
        assert free_port(preferred) != preferred
