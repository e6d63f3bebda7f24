"""A small HTTP server in a thread: /metrics for Prometheus, /healthz for whoever restarts things, and /readyz."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY

from mos_online.errors import SettingsError
from mos_online.exposition import exposition
from mos_online.health import Health

CONNECTIONS = 64
"""So many connections are answered at once; a probe needs one for a moment."""
SILENT_SECONDS = 5.0
"""A connection that says nothing for so long is closed."""


class _Server(ThreadingHTTPServer):
    """Answers each connection in a thread; closes those beyond the limit at once."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Called by the base class for each connection."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Called by the base class in the thread of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


@contextmanager
def health_server(
    host: str,
    port: int,
    alive: Callable[[], Health],
    ready: Callable[[], Health],
    *,
    namespace: str = "",
    settings: str = "MOS_WORKER",
) -> Iterator[None]:
    """Serve on ``host`` in a thread: /healthz what ``alive`` says, and /readyz what ``ready`` says.

    Args:
        host, port: where it listens.
        alive, ready: called for each request.
        namespace: of the installation, a label of all metrics.
        settings: how the names of the settings of host and port begin.

    Raises:
        SettingsError: the port is taken, or ``host`` is no address of this machine.
    """
    reports = {"/healthz": alive, "/readyz": ready}

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENT_SECONDS

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, exposition(REGISTRY, namespace=namespace))
            elif self.path in reports:
                health = reports[self.path]()
                body = msgspec.json.encode(health) + b"\n"
                self._answer(200 if health.good else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"there are /metrics, /healthz and /readyz\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Say nothing: probes come every second."""

        def _answer(self, status: int, content: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = _Server((host, port), Handler)
    except OSError as error:
        raise SettingsError(
            f"{settings}_HOST={host}, {settings}_PORT={port}: {error.strerror}; the same program? Choose a free port"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
