"""The worker's own small HTTP server: /metrics for Prometheus and /healthz for whoever restarts things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mos_online.errors import SettingsError


@contextmanager
def health_server(port: int, report: Callable[[], tuple[bool, str]]) -> Iterator[None]:
    """Serve on 127.0.0.1 in a thread; /healthz answers 200, or 503 if ``report`` says that the worker is not alive.

    Raises:
        SettingsError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif self.path == "/healthz":
                alive, text = report()
                self._answer(200 if alive else 503, "text/plain", f"{text}\n".encode())
            else:
                self._answer(404, "text/plain", b"there are /metrics and /healthz\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Say nothing: probes come every second."""

        def _answer(self, status: int, content: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise SettingsError(f"MOS_WORKER_PORT={port}: {error.strerror}; another worker? Choose a free port") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
