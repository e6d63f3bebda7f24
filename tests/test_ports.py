"""Ports for services that start later."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mos_online import ports
from mos_online.errors import MosError
from mos_online.ports import HIGHEST, HOST, LOWEST, free_port, keep_port, reachable

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


KEEPER = """
import sys, time
from mos_online.ports import free_port

print(free_port(int(sys.argv[1])), flush=True)
time.sleep(600)
"""


def test_a_port_is_kept_for_its_process_before_anybody_listens() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        wanted = probe.getsockname()[1]
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER, str(wanted)], stdout=subprocess.PIPE, text=True)
    try:
        assert keeper.stdout
        assert int(keeper.stdout.readline()) == wanted
        assert not keep_port(wanted)
        assert free_port(wanted) != wanted
    finally:
        keeper.kill()
        keeper.communicate()
    assert free_port(wanted) == wanted


def test_no_port_is_given_twice() -> None:
    found = [free_port() for _ in range(50)]
    assert len(set(found)) == len(found)
