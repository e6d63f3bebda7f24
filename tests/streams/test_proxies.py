"""Which requests of the recommender go through the proxy of the environment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mos_online.errors import SettingsError
from mos_online.settings import Settings
from streams.processors.serving_client import ServingClient


@pytest.fixture
def answering() -> Iterator[tuple[int, list[str]]]:
    """A server that is service and proxy: its port, and the targets of the requests that have reached it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def ask(settings: Settings) -> None:
    async def run() -> None:
        client = ServingClient(settings)
        await client.require_ready()
        await client.close()

    asyncio.run(run())


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_reached_without_a_proxy(
    variable: str, proxy: str, answering: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = answering
    monkeypatch.setenv(variable, proxy)
    ask(Settings(serve_port=port))
    ask(Settings(serve_url=f"http://localhost:{port}"))
    assert asked == ["/readyz", "/readyz"]


def test_another_machine_is_reached_through_the_proxy(
    answering: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = answering
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    ask(Settings(serve_url="http://shop.example:8000"))
    assert asked == ["http://shop.example:8000/readyz"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://127.0.0.1"])
def test_a_proxy_that_cannot_be_used_is_one_line(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(SettingsError, match=r"a proxy for http://shop\.example:8000 cannot be used: .*NO_PROXY"):
        ServingClient(Settings(serve_url="http://shop.example:8000"))
