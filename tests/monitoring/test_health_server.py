"""The worker's own HTTP server: where it listens, and that no client can hold it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from monitoring import server as health
from monitoring.server import health_server
from mos_online.errors import SettingsError
from mos_online.health import Health


def fine() -> Health:
    return Health(program="worker", status="alive", details=["profiler waits"])


def failing() -> Health:
    return Health(program="worker", status="failing", details=["profiler: no progress"])


def busy() -> Health:
    return Health(program="worker", status="waiting", details=["it restores"])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_answers_where_it_is_told_to_listen(host: str, free_port: Callable[[], int]) -> None:
    port = free_port()
    with health_server(host, port, fine, busy):
        said = httpx.get(f"http://127.0.0.1:{port}/healthz")
        assert (said.status_code, said.headers["content-type"]) == (200, "application/json")
        assert said.json() == {"program": "worker", "status": "alive", "details": ["profiler waits"]}
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert (answer.status_code, answer.json()["details"]) == (503, ["it restores"])
        assert "python_info" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert httpx.get(f"http://127.0.0.1:{port}/x").status_code == 404


def test_a_worker_that_fails_says_so_with_503(free_port: Callable[[], int]) -> None:
    port = free_port()
    with health_server("127.0.0.1", port, failing, busy):
        said = httpx.get(f"http://127.0.0.1:{port}/healthz")
        assert (said.status_code, said.json()["details"]) == (503, ["profiler: no progress"])


def test_an_address_of_another_machine_and_a_taken_port_are_refused(free_port: Callable[[], int]) -> None:
    port = free_port()
    with (
        pytest.raises(SettingsError, match=r"MOS_WORKER_HOST=192\.0\.2\.77"),
        health_server("192.0.2.77", port, fine, busy),
    ):
        pass
    with (
        health_server("127.0.0.1", port, fine, busy),
        pytest.raises(SettingsError, match=f"MOS_WORKER_PORT={port}"),
        health_server("127.0.0.1", port, fine, busy),
    ):
        pass


def test_silent_connections_are_closed_and_no_more_than_the_limit_are_held(
    monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setattr(health, "CONNECTIONS", 3)
    monkeypatch.setattr(health, "SILENT_SECONDS", 0.2)
    port = free_port()
    with health_server("127.0.0.1", port, fine, busy):
        silent = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(5)]
        for connection in silent:
            assert connection.recv(1) == b""  # two at once, the others when they have said nothing for long
            connection.close()
        for _ in range(10):
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
